// The PBX behind the edge: answers everything at once, and remembers who is registered.

internal import Glibc
internal import Sys

/// A PBX at one UDP address.
final class AnsweringSide {
    private let datagrams: Datagrams
    private let challenges: Bool
    /// The Contacts of the addresses-of-record that are registered.
    private var contacts: [String: String] = [:]
    /// How many it had forgotten and has not heard of again; 0 when it knows all.
    private var forgotten = 0
    /// When it forgot them.
    private var forgot: UInt64 = 0

    init(_ address: SocketAddress, challenges: Bool) throws(SystemError) {
        datagrams = try Datagrams(address)
        self.challenges = challenges
    }

    func run() -> Never {
        while true {
            let count = datagrams.receive()
            if count == 0 { datagrams.wait() }
            for index in 0..<count {
                let (bytes, source) = datagrams.datagram(index)
                answer(Message(bytes), to: source)
            }
            datagrams.flush()
        }
    }

    private func answer(_ request: Message, to source: SocketAddress) {
        guard request.status == 0 else { return }
        switch request.method {
        case "REGISTER":
            if challenges, request.value("Authorization") == nil {
                let challenge = "Digest realm=\"asterisk\", nonce=\"5e4f1c2b\", algorithm=MD5"
                return reply(
                    "401 Unauthorized", request, source, ["WWW-Authenticate: \(challenge)"])
            }
            register(request, source)
        case "FORGET": forget()
        case "INVITE":
            reply("100 Trying", request, source)
            let dialog =
                request.values("Record-Route").map { "Record-Route: \($0)" }
                + ["Contact: <sip:pbx@\(datagrams.local)>"]
            reply("180 Ringing", request, source, dialog)
            if request.requestURI.hasPrefix("sip:\(Unit.ringingUser)@") { return }
            reply("200 OK", request, source, dialog + ["Content-Type: application/sdp"], body: sdp)
        case "ACK": break
        default: reply("200 OK", request, source)
        }
    }

    /// Does what a REGISTER says; one without a Contact asks which there is.
    private func register(_ request: Message, _ source: SocketAddress) {
        let name = request.value("To") ?? ""
        let expires = request.value("Expires") ?? "3600"
        if let contact = request.value("Contact") {
            contacts[name] = expires == "0" ? nil : contact
            if forgotten > 0 { remembered() }
        }
        let held = contacts[name].map { ["Contact: \($0);expires=\(expires)"] }
        reply("200 OK", request, source, (held ?? []) + ["Expires: \(expires)"])
    }

    /// Loses all contacts, as a PBX does that is replaced without them.
    private func forget() {
        forgotten = contacts.count
        forgot = microseconds()
        contacts = [:]
        tell("forgotten \(forgotten)")
    }

    /// One that was forgotten is known again.
    private func remembered() {
        if contacts.count == 1 { tell("first \(microseconds() - forgot)") }
        guard contacts.count == forgotten else { return }
        forgotten = 0
        tell("all \(microseconds() - forgot)")
    }

    private func tell(_ line: String) {
        print(line)
        fflush(nil)
    }

    private func reply(
        _ status: String, _ request: Message, _ source: SocketAddress, _ extra: [String] = [],
        body: String = ""
    ) {
        var lines = ["SIP/2.0 \(status)"]
        lines += request.values("Via").map { "Via: \($0)" }
        lines.append("From: \(request.value("From") ?? "")")
        let to = request.value("To") ?? ""
        let needsTag = !status.hasPrefix("100") && !to.contains(";tag=")
        lines.append("To: \(to)\(needsTag ? ";tag=pbx" : "")")
        lines.append("Call-ID: \(request.value("Call-ID") ?? "")")
        lines.append("CSeq: \(request.value("CSeq") ?? "")")
        lines += extra
        lines += ["Content-Length: \(body.utf8.count)", "", body]
        datagrams.send(Array(lines.joined(separator: "\r\n").utf8), to: source)
    }
}

/// A session description as a phone sends it.
let sdp = [
    "v=0", "o=- 20518 0 IN IP4 198.18.1.1", "s=-", "c=IN IP4 198.18.1.1", "t=0 0",
    "m=audio 40000 RTP/AVP 0 8 101", "a=rtpmap:0 PCMU/8000", "a=rtpmap:8 PCMA/8000",
    "a=rtpmap:101 telephone-event/8000", "a=sendrecv", "",
].joined(separator: "\r\n")
