internal import Messages
internal import ProxyBench
internal import SIP
internal import Sys

/// How much an account, a dialog, and a source that tries names may ask for.
///
/// A request that finds its budget used up is refused with 503 and costs nobody anything else.
struct RequestBudgets: ~Copyable {
    /// How many requests a second, and at once after a rest, a dialog may have.
    private static let dialog = Rate(perSecond: 20, burst: 100)
    /// The same, for what ends a call or completes it: a flood of other requests leaves it room.
    private static let dialogEnd = Rate(perSecond: 20, burst: 200)
    /// How many names that are not proven right are tried a second by one source.
    private static let triesOfSource = Rate(perSecond: 20, burst: 20)
    /// And by all of them.
    private static let tries = Rate(perSecond: 200, burst: 200)

    private var accounts = Buckets(places: 65_536)
    private var dialogs = Buckets(places: 65_536)
    private var sources = Buckets(places: Self.places)
    private var all = FairBudget()
    private var parts = [BudgetPart](repeating: BudgetPart(), count: Self.places)
    private static let places = 16_384

    /// Whether a method is never held back by its account's budget.
    static func isFree(_ method: Method) -> Bool {
        switch method {
        case .bye, .cancel, .ack, .prack: true
        default: false
        }
    }

    /// Takes a request of an account; false when it has had its part.
    ///
    /// `perSecond` is the account's rate, of which ten times as many may come at once.
    mutating func takeRequest(of account: Int32, perSecond: UInt32, _ now: Milliseconds) -> Bool {
        accounts.take(Self.key(account), Self.rate(perSecond), now)
    }

    /// Whether an account may have a request now.
    func hasRequest(of account: Int32, perSecond: UInt32, _ now: Milliseconds) -> Bool {
        accounts.has(Self.key(account), Self.rate(perSecond), now)
    }

    private static func key(_ account: Int32) -> UInt64 {
        (UInt64(UInt32(bitPattern: account)) &+ 1) &* 0x9E37_79B9_7F4A_7C15
    }

    private static func rate(_ perSecond: UInt32) -> Rate {
        Rate(perSecond: perSecond, burst: perSecond * 10)
    }

    /// Takes a request inside a dialog; false when that has had its part.
    ///
    /// `token` is what the dialog's requests carry.
    mutating func takeRequest(in token: Span<UInt8>, _ method: Method, _ now: Milliseconds) -> Bool
    {
        dialogs.take(
            NameTable.hash(token), Self.isFree(method) ? Self.dialogEnd : Self.dialog, now)
    }

    /// Takes a try of a name; false when there were too many: of all together, a source that has had more than an equal part
    /// waits first.
    mutating func takeTry(_ source: IPAddress, _ now: Milliseconds) -> Bool {
        let key = source.source.keyedHash
        guard sources.has(key, Self.triesOfSource, now),
            all.take(&parts[Self.part(key)], Self.tries, now)
        else { return false }
        return sources.take(key, Self.triesOfSource, now)
    }

    /// Gives back the try of a name that was proven right.
    mutating func returnTry(_ source: IPAddress, _ now: Milliseconds) {
        let key = source.source.keyedHash
        sources.giveBack(key, Self.triesOfSource)
        all.giveBack(&parts[Self.part(key)], Self.tries)
    }

    private static func part(_ key: UInt64) -> Int { Int(key & UInt64(places - 1)) }
}
