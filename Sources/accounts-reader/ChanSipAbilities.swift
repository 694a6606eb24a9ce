// What chan_sip's peers may do and prove, whether they are rows or sections.
internal import Messages

/// What chan_sip lets the phones of a peer do.
struct ChanSipAbilities {
    /// `type`, in lower case.
    let type: String
    /// `host`, in lower case, as it is shown.
    let host: String
    /// Whether phones tell where they are.
    let isDynamic: Bool

    /// Why phones may not register it; nil when they may.
    var whyNotRegister: String? {
        if type == "user" { return "type=user only calls, type=friend registers too" }
        return isDynamic ? nil : "host is not dynamic"
    }

    /// What does not work of it at Asterisk, behind the edge; nil when everything does.
    private var whatFails: String? {
        // Such a peer is found by address and port, and all phones have the edge's.
        type == "peer" ? "\(TraceStep.peerAlone)cannot call, type=friend can" : nil
    }

    /// What matters of it, for a trace.
    var words: String {
        let why = whyNotRegister.map { "; \(TraceStep.whyNotRegister)\($0)" }
        let fails = whatFails.map { "; \($0)" }
        return "type=\(type) host=\(host)\(why ?? "")\(fails ?? "")"
    }
}

extension Credentials {
    /// Takes what a peer proves with: md5secret wins over secret, as in Asterisk, so that a forgotten old secret opens
    /// nothing.
    mutating func setChanSip(secret: [UInt8], md5: [UInt8]) {
        guard !md5.isEmpty else {
            self.secret = secret
            return
        }
        self.md5 = HA1.bytes(hex: md5, length: 16) ?? []
        want = .brokenHash
    }
}
