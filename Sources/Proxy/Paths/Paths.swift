internal import AccountCache
package import Calls
internal import LocationService
internal import Messages
package import ProxyBench
package import ProxyCore
internal import SIP
internal import SIPTransactions
internal import Sys

/// The paths that messages take through the owners, each a list of steps.
///
/// It decides nothing by itself: an owner says a verdict, and `carryOut` does what follows from it.
package struct Paths: ~Copyable {
    /// The owners that the proxy core stands on.
    package var ground: Ground
    /// The requests that are passed on.
    package var core = ProxyCore()
    /// The calls under way, and who may make more.
    package var calls: Calls

    /// The owners, with nothing in them yet.
    package init(_ ground: consuming Ground, _ calls: consuming Calls) {
        self.ground = ground
        self.calls = calls
    }

    /// Records the calls that the proxy core has ended with a failure: that comes last in each turn.
    package mutating func recordFailures(_ bench: inout Bench) {
        calls.recordFailures(&core, ground, &bench)
    }
}
