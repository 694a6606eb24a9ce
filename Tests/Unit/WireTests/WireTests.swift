import Sys
import Testing
import Wire

@Suite struct WireTests {
    private static let linkLocal = IPAddress(high: 0xFE80 << 48, low: 1)

    /// A frame with one field of every type.
    private static func whole() -> [UInt8] {
        var writer = WireWriter(kind: 7)
        writer.u8(1)
        writer.bool(true)
        writer.u16(0x0203)
        writer.u32(0x0405_0607)
        writer.u64(0x0809_0A0B_0C0D_0E0F)
        writer.milliseconds(Milliseconds(-5))
        writer.data([1, 2, 3])
        writer.string("é")
        writer.address(SocketAddress(Self.linkLocal, port: 5060, scope: 9))
        writer.network(Network(IPAddress(v4: 0xC000_0201), prefix: 24))
        return writer.bytes
    }

    private static func read(_ frame: Span<UInt8>) throws(WireError) {
        var reader = WireReader(frame)
        let kind = try reader.u8()
        guard kind == 7 else { throw .unknownKind(kind) }
        let one = try reader.u8()
        let flag = try reader.bool()
        let two = try reader.u16()
        let four = try reader.u32()
        let eight = try reader.u64()
        let span = try reader.milliseconds()
        let data = try reader.data("data", limit: 3)
        let text = try reader.string("text", limit: 2)
        let address = try reader.address()
        let network = try reader.network()
        try reader.finish()
        #expect(one == 1 && flag && two == 0x0203 && four == 0x0405_0607)
        #expect(eight == 0x0809_0A0B_0C0D_0E0F && span == Milliseconds(-5))
        #expect(data == [1, 2, 3] && text == "é")
        #expect(address == SocketAddress(Self.linkLocal, port: 5060, scope: 9))
        #expect(network.description == "192.0.2.0/24")
    }

    @Test("every field is read as it was written")
    func roundTrip() throws {
        let frame = Self.whole()
        try Self.read(frame.span)
    }

    @Test("a frame that is cut anywhere, or goes on, is refused")
    func lengths() {
        let frame = Self.whole()
        for length in 0..<frame.count {
            #expect(throws: WireError.truncated) {
                try Self.read(frame.span.extracting(0..<length))
            }
        }
        let longer = frame + [0]
        #expect(throws: WireError.trailing) { try Self.read(longer.span) }
    }

    @Test("a truth value is 0 or 1")
    func bool() {
        let frame: [UInt8] = [2]
        #expect(throws: WireError.badValue("bool")) {
            var reader = WireReader(frame.span)
            _ = try reader.bool()
        }
    }

    @Test("a field beyond its bound is refused by its name, also when the bytes are there")
    func bounds() {
        let frame: [UInt8] = [0, 4, 65, 65, 65, 65]
        #expect(throws: WireError.tooLong("name")) {
            var reader = WireReader(frame.span)
            _ = try reader.data("name", limit: 3)
        }
    }

    @Test("a text that is no UTF-8 is refused")
    func utf8() {
        let frame: [UInt8] = [0, 2, 0xC3, 0x28]
        #expect(throws: WireError.badValue("name")) {
            var reader = WireReader(frame.span)
            _ = try reader.string("name", limit: 9)
        }
    }

    @Test("a network whose address has bits beyond its prefix is refused")
    func bitsBeyond() {
        var writer = WireWriter(kind: 0)
        writer.ip(IPAddress(v4: 0xC000_0201))
        writer.u8(24)
        let frame = Array(writer.bytes.dropFirst())
        #expect(throws: WireError.badValue("network")) {
            var reader = WireReader(frame.span)
            _ = try reader.network()
        }
    }

    @Test("only a link-local address has a scope, the number of an interface")
    func scopes() throws {
        func isRead(_ ip: IPAddress, _ scope: UInt32) -> Bool {
            var writer = WireWriter(kind: 0)
            writer.address(SocketAddress(ip, port: 0, scope: scope))
            let frame = Array(writer.bytes.dropFirst())
            var reader = WireReader(frame.span)
            return (try? reader.address()) != nil
        }
        let global = IPAddress(high: 0x2001_0DB8 << 32, low: 1)
        for ip in [Self.linkLocal, global, IPAddress(v4: 0xA9FE_0001)] {
            #expect(isRead(ip, 0))
            #expect(isRead(ip, 1) == (ip == Self.linkLocal))
        }
        #expect(isRead(Self.linkLocal, UInt32(Int32.max)))
        #expect(!isRead(Self.linkLocal, UInt32(Int32.max) + 1))
    }

    @Test("a network's prefix lies within its family", arguments: [(true, 33), (false, 129)])
    func prefixes(_ isV4: Bool, _ prefix: UInt8) {
        var writer = WireWriter(kind: 0)
        writer.ip(isV4 ? IPAddress(v4: 1) : IPAddress(high: 1, low: 1))
        writer.u8(prefix)
        let frame = Array(writer.bytes.dropFirst())
        #expect(throws: WireError.badValue("prefix")) {
            var reader = WireReader(frame.span)
            _ = try reader.network()
        }
    }
}
