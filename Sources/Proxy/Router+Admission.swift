package import Messages
internal import Registrar
internal import SIP
package import Sys

/// What the owner of admission is told and asked: who a source is by the other owners, and what follows from what it
/// gives back.
extension Router {
    // MARK: Who a source is

    /// Who a source is by the settings.
    func standing(of ip: IPAddress) -> Standing {
        Standing(
            isAsterisk: isAsterisk(ip), trunk: trunk(at: ip),
            isAllowed: bench.settings.allow.contains { $0.contains(ip) })
    }

    /// Whether a phone has registered by this very flow.
    func isRegistered(_ flow: Flow) -> Bool {
        flow.transport.isStream
            ? connectionBindings[flow] != nil : bindings.hasFlow(flow)
    }

    /// Whether an account is registered by this very flow.
    func isRegistered(_ account: Int32, by flow: Flow) -> Bool {
        var next = accounts[account].bindings
        while let binding = bindings[next] {
            if binding.reachable, binding.flow == flow { return true }
            next = binding.next
        }
        return false
    }

    /// Whether the account of a name is registered by the message's flow.
    func isRegistered(_ name: Span<UInt8>, by message: borrowing Incoming) -> Bool {
        guard !message.sender.isStranger, let account = accounts.find(name) else { return false }
        return isRegistered(account, by: message.flow)
    }

    /// Whether an account has authenticated by a connection, or is registered by it.
    package func hasAuthenticated(by flow: Flow) -> Bool {
        authenticatedConnections.contains(flow) || connectionBindings[flow] != nil
    }

    /// How many connections a source may have by which nobody has authenticated.
    package func openingsAllowed(_ ip: IPAddress) -> Int {
        admission.openingsAllowed(ip, standing(of: ip), bench)
    }

    // MARK: What is no message

    /// A TLS handshake came to nothing.
    package mutating func handshakeFailed(_ flow: Flow, _ now: Now) {
        self.bench.now = now
        offence(.tlsFailures, byConnection: flow)
    }

    /// Counts an offence of a connection, on which no message can be named.
    mutating func offence(_ detector: Detector, byConnection flow: Flow) {
        let sender = Sender(standing: standing(of: flow.peer.ip))
        admission.offence(detector, flow.peer.ip, sender, &bench)
    }

    // MARK: Residents

    /// A phone's binding stands until a moment: its source is a resident until then.
    mutating func reside(_ binding: Binding) {
        let ip = binding.flow.peer.ip
        let account = NameTable.hash(accounts.name(binding.account))
        admission.reside(ip, until: binding.expires, account: account, &bench)
        notice(binding.account, at: ip)
    }

    // MARK: banner

    /// Takes what banner says.
    package mutating func take(_ message: BannerToRouter, _ now: Now) {
        self.bench.now = now
        if let ip = admission.receive(message, &bench) { located(ip) }
    }

    /// banner has been started anew: it hears again where phones are registered.
    package mutating func bannerLinked(_ now: Now) {
        self.bench.now = now
        admission.bannerLinked(&bench)
    }

    // MARK: The command line

    /// What was decided about an address, or about a Call-ID, as `rempart explain` says it.
    package func explain(_ what: String) -> [ControlReply] {
        guard let ip = IPAddress(what) else { return admission.explain(callID: what, bench) }
        return admission.explain(ip, standing(of: ip), bench)
    }
}
