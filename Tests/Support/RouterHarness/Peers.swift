package import Digest
package import Messages
internal import Proxy
internal import Sys

/// A user agent that is told what to do.
package class Peer {
    /// The edge it speaks to.
    package let edge: SimulatedEdge
    /// The way it speaks.
    package var flow: Flow
    private let sentBy: String

    /// A user agent that writes `sentBy` into its Vias.
    package init(_ edge: SimulatedEdge, _ flow: Flow, sentBy: String) {
        self.edge = edge
        self.flow = flow
        self.sentBy = sentBy
    }

    /// A Via of its own.
    package var via: String {
        "SIP/2.0/\(flow.transport.name.uppercased()) \(sentBy);branch=\(edge.branch());rport"
    }

    /// Sends bytes to the edge.
    package func send(_ bytes: [UInt8]) { edge.receive(bytes, flow) }

    /// The next message that arrived, or nil.
    package func next() -> Message? {
        guard let first = edge.inboxes[flow]?.first else { return nil }
        edge.inboxes[flow]?.removeFirst()
        return first
    }

    /// Everything that arrived.
    package func all() -> [Message] {
        let result = edge.inboxes[flow] ?? []
        edge.inboxes[flow] = nil
        return result
    }

    /// The next message that is such a request, those before it thrown away.
    package func expect(_ method: String, _ line: Int = #line) throws -> Message {
        while let message = next() {
            if message.isRequest, message.method == method { return message }
        }
        throw Missing("no \(method) came", line)
    }

    /// The next response of such a status, those before it thrown away.
    package func expect(_ status: Int, _ line: Int = #line) throws -> Message {
        while let message = next() {
            if message.status == status { return message }
        }
        throw Missing("no \(status) came", line)
    }
}

/// A message that a script waited for did not come.
package struct Missing: Error, CustomStringConvertible {
    /// What was awaited, and where.
    package let description: String

    /// It was awaited in this line.
    package init(_ what: String, _ line: Int) {
        description = "\(what), awaited in line \(line)"
    }
}

/// A phone.
package final class Phone: Peer {
    /// Its account.
    package let name: String
    /// The password it knows.
    package var password: String
    /// Where it says that it can be reached.
    package let contact: String
    /// The Call-ID of its registrations.
    package var callID: String
    /// The last CSeq of those.
    package var sequence = 0
    /// What it shows in From instead of its account.
    package var shown: String?
    /// The name that it registers instead of its account's.
    package var registered: String?
    /// What it answers challenges by.
    package var algorithm = DigestAlgorithm.md5

    /// A phone of an account at a source address; `connection` is that of a stream.
    package init(
        _ edge: SimulatedEdge, _ name: String, at source: String = "198.51.100.7:40000",
        _ transport: Transport = .udp, connection: UInt64 = 0, password: String? = nil
    ) {
        self.name = name
        self.password = password ?? edge.passwords[name] ?? "none"
        contact = "sip:\(name)@192.168.1.7:5060"
        callID = "reg-\(name)-\(source)"
        let listener: UInt8 = transport == .udp ? 0 : transport == .tcp ? 1 : 2
        let flow = Flow(
            transport, listener: listener, peer: address(source), connection: connection)
        super.init(edge, flow, sentBy: "192.168.1.7:5060")
        if transport.isStream { edge.router.opened(flow) }
    }

    /// The tag of its requests out of any dialog: its name, as far as that is a token.
    package var tag: String { name.replacing("#", with: "") + "1" }

    /// A request of its own, out of any dialog.
    package func request(
        _ method: String, _ uri: String, callID: String, sequence: Int, to: String? = nil,
        _ extra: [String] = [], body: String = ""
    ) -> [UInt8] {
        let own = "sip:\(name)@example.com"
        let addressOfRecord = registered.map { "sip:\($0)@example.com" } ?? own
        let target = to ?? (method == "REGISTER" ? addressOfRecord : uri)
        return wire(
            [
                "\(method) \(uri) SIP/2.0", "Via: \(via)", "Max-Forwards: 70",
                "From: \(shown ?? "<\(own)>");tag=\(tag)", "To: <\(target)>",
                "Call-ID: \(callID)",
                "CSeq: \(sequence) \(method)",
                "User-Agent: Phone T42 66.86.0.15 \(String(repeating: "x", count: 160))",
                "Allow: INVITE, INFO, PRACK, ACK, BYE, CANCEL, OPTIONS, NOTIFY, REGISTER,"
                    + " SUBSCRIBE, REFER, PUBLISH, UPDATE, MESSAGE",
                "Allow-Events: talk, hold, conference, refer, check-sync",
            ] + extra, body)
    }

    /// The credentials that answer a challenge.
    package func credentials(
        _ challenge: Message, _ method: String, _ uri: String, count: Int = 1
    ) -> String {
        let isProxy = challenge.status == 407
        let lines = challenge.all(isProxy ? "Proxy-Authenticate" : "WWW-Authenticate")
        let word = algorithm == .md5 ? "MD5" : "SHA-256"
        let line =
            lines.first {
                $0.contains("algorithm=\(word)") || algorithm == .md5 && !$0.contains("algorithm=")
            } ?? ""
        let realm = between(line, "realm=\"", "\"")
        let nonce = between(line, "nonce=\"", "\"")
        let number =
            String(repeating: "0", count: 8 - String(count, radix: 16).count)
            + String(count, radix: 16)
        let proof = hashed(
            algorithm, hashed(algorithm, name, realm, password), nonce, number, "c0", "auth",
            hashed(algorithm, method, uri))
        return (isProxy ? "Proxy-Authorization" : "Authorization")
            + ": Digest username=\"\(name)\",realm=\"\(realm)\",nonce=\"\(nonce)\",uri=\"\(uri)\","
            + "response=\"\(proof)\",algorithm=\(word),cnonce=\"c0\",qop=auth,nc=\(number)"
    }

    /// Sends a REGISTER, answers the challenge, and gives the answer to that.
    @discardableResult
    package func register(
        expires: Int? = 3600, contacts: [String]? = nil, _ extra: [String] = []
    ) throws -> Message {
        let uri = "sip:example.com"
        let lines =
            (contacts ?? ["<\(contact)>"]).map { "Contact: \($0)" }
            + (expires.map { ["Expires: \($0)"] } ?? []) + extra
        sequence += 1
        send(request("REGISTER", uri, callID: callID, sequence: sequence, lines))
        let challenge = try expect(401)
        sequence += 1
        let proof = credentials(challenge, "REGISTER", uri)
        send(request("REGISTER", uri, callID: callID, sequence: sequence, lines + [proof]))
        guard let answer = next() else { throw Missing("no answer came", #line) }
        return answer
    }

    /// Sends a request with answered challenge; the request as it was sent the second time.
    @discardableResult
    package func ask(
        _ method: String, _ uri: String, callID: String = "call-1", _ extra: [String] = [],
        body: String = ""
    ) throws -> Message {
        var lines = extra
        if method == "INVITE" { lines.append("Contact: <\(contact)>") }
        send(request(method, uri, callID: callID, sequence: 1, lines, body: body))
        let challenge = try expect(407)
        if method == "INVITE" { send(acknowledgement(of: challenge, uri)) }
        lines.append(credentials(challenge, method, uri))
        let bytes = request(method, uri, callID: callID, sequence: 2, lines, body: body)
        send(bytes)
        guard let sent = Message(bytes) else { throw Missing("no request", #line) }
        return sent
    }

    /// Asks in a dialog for a transfer to whom `target` names, with the password that is asked for by UDP.
    package func refer(_ dialog: inout Dialog, _ target: String) throws {
        let line = "Refer-To: \(target)"
        send(dialog.request("REFER", via: via, [line]))
        guard flow.transport == .udp else { return }
        let proof = credentials(try expect(407), "REFER", dialog.target)
        send(dialog.request("REFER", via: via, [line, proof]))
    }

    /// The ACK of a failure.
    package func acknowledgement(of answer: Message, _ uri: String) -> [UInt8] {
        wire([
            "ACK \(uri) SIP/2.0", "Via: \(answer["Via"])", "Max-Forwards: 70",
            "From: \(answer["From"])", "To: \(answer["To"])", "Call-ID: \(answer["Call-ID"])",
            "CSeq: \(answer.sequence) ACK",
        ])
    }

    /// The CANCEL of an INVITE.
    package func cancel(_ invite: Message) {
        send(
            wire([
                "CANCEL \(invite.uri) SIP/2.0", "Via: \(invite["Via"])", "Max-Forwards: 70",
                "From: \(invite["From"])", "To: \(invite["To"])",
                "Call-ID: \(invite["Call-ID"])", "CSeq: \(invite.sequence) CANCEL",
            ]))
    }
}

/// A server of a trunk.
package final class Carrier: Peer {
    /// Its Contact.
    package let contact: String

    /// A server at an address outside, which speaks over UDP, or by a TCP connection.
    package init(_ edge: SimulatedEdge, at text: String, connection: UInt64? = nil) {
        contact = "sip:carrier@\(text)"
        let flow =
            connection.map { Flow(.tcp, listener: 1, peer: address(text), connection: $0) }
            ?? Flow(.udp, listener: 0, peer: address(text))
        super.init(edge, flow, sentBy: text)
        edge.carriers.insert(flow.peer.ip)
        if connection != nil { edge.router.opened(flow) }
    }

    /// A request that begins something.
    package func request(
        _ method: String, _ uri: String, from: String = "<sip:+4420123@carrier.example>",
        callID: String = "t1", extra: [String] = [], body: String = ""
    ) -> [UInt8] {
        let contact = method == "INVITE" ? ["Contact: <\(contact)>"] : []
        return wire(
            [
                "\(method) \(uri) SIP/2.0", "Via: \(via)", "Max-Forwards: 70",
                "From: \(from);tag=t1", "To: <\(uri)>", "Call-ID: \(callID)",
                "CSeq: 1 \(method)",
            ] + contact + extra, body)
    }

    /// Calls somebody; the INVITE as it was sent.
    @discardableResult
    package func call(
        _ uri: String = "sip:+43123@203.0.113.5", from: String = "<sip:+4420123@carrier.example>",
        callID: String = "t1", extra: [String] = []
    ) -> Message {
        let bytes = request(
            "INVITE", uri, from: from, callID: callID, extra: extra, body: "v=0\r\n")
        send(bytes)
        guard let sent = Message(bytes) else { preconditionFailure("no message") }
        return sent
    }

    /// Answers a request, with its Contact when the answer makes a dialog.
    package func answer(
        _ request: Message, _ status: Int, _ extra: [String] = [], body: String = ""
    ) {
        let contact = status > 100 && status < 300 ? ["Contact: <\(contact)>"] : []
        send(
            response(
                to: request, status, tag: status == 100 ? "" : "c1", contact + extra, body: body))
    }
}

/// An Asterisk as the edge's peer.
package final class PBX: Peer {
    /// Its Contact.
    package let contact: String

    /// An Asterisk at an address of the inside, as it is reached by a listener.
    package init(
        _ edge: SimulatedEdge, at text: String = "10.0.0.10:5060", listener: UInt8 = 3
    ) {
        contact = "sip:100@\(text)"
        super.init(edge, Flow(.udp, listener: listener, peer: address(text)), sentBy: text)
    }

    /// Answers a request, with its Contact when the answer makes a dialog.
    package func answer(
        _ request: Message, _ status: Int, _ extra: [String] = [], body: String = ""
    ) {
        let contact = status > 100 && status < 300 ? ["Contact: <\(contact)>"] : []
        let tag = status == 100 ? "" : "as1"
        send(response(to: request, status, tag: tag, contact + extra, body: body))
    }

    /// Calls an account, with a session description when `extra` has no other Content-Type.
    @discardableResult
    package func call(
        _ account: String, callID: String = "c1@10.0.0.10:5060", _ extra: [String] = [],
        body: String = "v=0\r\no=- 1 1 IN IP4 198.51.100.40\r\ns=-\r\n"
    ) -> Message {
        let isTyped = extra.contains { $0.hasPrefix("Content-Type:") }
        let bytes = wire(
            [
                "INVITE sip:\(account)@10.0.0.1:5060 SIP/2.0", "Via: \(via)", "Max-Forwards: 70",
                "From: \"Carol\" <sip:300@10.0.0.10>;tag=as9",
                "To: <sip:\(account)@10.0.0.1:5060>", "Call-ID: \(callID)", "CSeq: 102 INVITE",
                "Contact: <sip:300@10.0.0.10:5060>",
            ] + (body.isEmpty || isTyped ? [] : ["Content-Type: application/sdp"]) + extra, body)
        send(bytes)
        guard let sent = Message(bytes) else { preconditionFailure("no message") }
        return sent
    }
}
