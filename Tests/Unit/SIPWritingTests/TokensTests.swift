import Digest
import Messages
import SIP
import SIPWriting
import Sys
import Testing

/// A user part is too long for a token.
private struct FitsNoToken: Error {}

private func address(_ text: String) -> SocketAddress {
    guard let result = SocketAddress(text) else { preconditionFailure("not an address: \(text)") }
    return result
}

@Suite final class TokensTests {
    private var tokens = Tokens(key: [UInt8](repeating: 7, count: 32))
    private let callID = Array("a84b4c76e66710@198.51.100.7".utf8)
    private let caller = Array("1928301774".utf8)
    private let called = Array("a6c85cf".utf8)

    private func dialog() -> StringVector {
        let (callID, caller) = (callID, caller)
        return tokens.dialog(callID: callID.span, tag: caller.span)
    }

    /// A token of the way to an Asterisk.
    private func toAsterisk(
        _ place: String = "10.0.0.10:5060", account: String = "1001", user: String = "1002",
        shift: UInt16 = 0
    ) throws -> [UInt8] {
        var buffer = ByteBuffer(capacity: 512)
        let dialog = dialog()
        let name = tokens.account(Array(account.utf8).span)
        let good = tokens.write(
            asterisk: address(place), sequenceShift: shift, account: name, source: 5,
            user: Array(user.utf8).span, of: dialog, into: &buffer)
        guard good else { throw FitsNoToken() }
        return Array(buffer.span.text.utf8)
    }

    /// A token of the way to a phone.
    private func toPhone(_ flow: Flow, account: String = "1001", shift: UInt16 = 0) -> [UInt8] {
        var buffer = ByteBuffer(capacity: 512)
        let dialog = dialog()
        tokens.write(
            flow: flow, sequenceShift: shift, account: Array(account.utf8).span, of: dialog,
            into: &buffer)
        return Array(buffer.span.text.utf8)
    }

    private func asterisk(_ token: [UInt8]) -> AsteriskToken? {
        asterisk(token, callID, caller)
    }

    private func asterisk(
        _ token: [UInt8], _ callID: [UInt8], _ tag: [UInt8]
    ) -> AsteriskToken? {
        tokens.asterisk(token.span, callID: callID.span, tag: tag.span)
    }

    private func phone(_ token: [UInt8]) -> PhoneToken? {
        let (callID, caller, called) = (callID, caller, called)
        return tokens.phone(token.span, callID: callID.span, caller.span, called.span)
    }

    private func account(_ name: String) -> TokenAccount {
        tokens.account(Array(name.utf8).span)
    }

    private func text(_ string: String) -> TokenText { TokenText(Array(string.utf8).span) }

    @Test(
        "the way to an Asterisk comes back as it was",
        arguments: ["10.0.0.10:5060", "10.0.0.10:5061", "[fd00::10]:5060", "[fd00::10]:65535"],
        [0, 1, 254, 255, 256, 65_535] as [UInt16])
    func toAnAsterisk(_ place: String, _ shift: UInt16) throws {
        let token = try toAsterisk(place, shift: shift)
        let way = try #require(asterisk(token))
        #expect(way.asterisk == address(place) && way.sequenceShift == shift && way.source == 5)
        #expect(way.account == account("1001") && way.user == text("1002") && !way.isOld)
        #expect(phone(token) == nil)
    }

    @Test(
        "the way to a phone comes back as it was",
        arguments: [Transport.udp, .tcp, .tls], ["198.51.100.7:40000", "[2001:db8::7]:5060"])
    func toAPhone(_ transport: Transport, _ place: String) throws {
        let flow = Flow(
            transport, listener: 2, peer: address(place),
            connection: transport.isStream ? .max - 1 : 0)
        for shift in [0, 1, 254, 255, 65_535] as [UInt16] {
            let token = toPhone(flow, account: "trunk:telco", shift: shift)
            let way = try #require(phone(token))
            #expect(way.flow == flow && way.sequenceShift == shift)
            #expect(way.account == text("trunk:telco"))
            let isPhone = tokens.isPhone(token.span, of: way.dialog)
            #expect(isPhone && asterisk(token) == nil)
        }
    }

    @Test("a Call-ID counts up to its host, which differs between the sides")
    func host() throws {
        let token = try toAsterisk()
        for (text, isOpen) in [
            ("a84b4c76e66710", true), ("a84b4c76e66710@10.0.0.10", true), ("a84b4c7", false),
            ("a84b4c76e66710.10.0.0.10", false), ("198.51.100.7@a84b4c76e66710", false),
        ] {
            let way = asterisk(token, Array(text.utf8), caller)
            #expect((way != nil) == isOpen, "\(text)")
        }
    }

    @Test("a name of up to 24 bytes stands in a token, and of a longer one a hash of 8")
    func names() throws {
        let whole = String(repeating: "n", count: 24)
        let long = String(repeating: "n", count: 25)
        for (name, isHash, count) in [(whole, false, 24), (long, true, 8)] {
            let way = try #require(asterisk(try toAsterisk(account: name)))
            #expect(way.account.isHash == isHash && way.account.span.count == count)
            #expect(way.account == account(name) && way.user == text("1002"))
        }
    }

    @Test("tokens are so short that an INVITE with them fits one datagram")
    func lengths() throws {
        #expect(try toAsterisk().count == 38)
        #expect(try toAsterisk("[fd00::10]:5061").count == 56)
        #expect(try toAsterisk(account: String(repeating: "n", count: 25)).count == 43)
        let udp = Flow(.udp, listener: 0, peer: address("198.51.100.7:40000"))
        #expect(toPhone(udp).count == 30 && toPhone(udp, shift: 1).count == 31)
        let tls = Flow(.tls, listener: 2, peer: udp.peer, connection: 7)
        #expect(toPhone(tls).count == 40)
    }

    @Test("the shortest token of an Asterisk is taken for one")
    func shortest() throws { #expect(try toAsterisk(account: "", user: "").count == 27) }

    @Test("a Contact's user part that fits no token is told")
    func tooLong() {
        #expect(throws: FitsNoToken.self) {
            try toAsterisk(user: String(repeating: "u", count: 160))
        }
    }

    @Test("a host's and a registration's token are of no dialog, and of one kind each")
    func unbound() throws {
        var buffer = ByteBuffer(capacity: 512)
        tokens.write(host: address("10.0.0.10:5060"), into: &buffer)
        let host = Array(buffer.span.text.utf8)
        buffer.removeAll()
        let name = account("trunk:telco")
        let user = Array("1002".utf8)
        let good = tokens.write(
            registrationOf: address("10.0.0.10:5060"), account: name, user: user.span,
            into: &buffer)
        #expect(good)
        let registration = Array(buffer.span.text.utf8)
        let hosts = [tokens.host(host.span), tokens.host(registration.span)]
        #expect(hosts == [.address(address("10.0.0.10:5060")), nil])
        let contacts = [tokens.registration(registration.span), tokens.registration(host.span)]
        #expect(contacts.map(\.?.account) == [name, nil])
        #expect(contacts[0]?.user == text("1002"))
        for token in [host, registration] {
            #expect(asterisk(token) == nil && phone(token) == nil)
            let isOld =
                tokens.oldAsterisk(token.span) != nil || tokens.oldPhone(token.span) != nil
            #expect(!isOld)
        }
    }
}
