import Sys
import Testing

@testable import sip_router

@Suite("UnprovenConnections")
struct UnprovenConnectionsTests {
    private func ip(_ text: String) throws -> IPAddress { try #require(IPAddress(text)) }

    @Test("connections count for their source, an IPv4 address or an IPv6 /64, until they end")
    func counts() throws {
        var connections = UnprovenConnections()
        connections.begin(try ip("2001:db8::1"))
        connections.begin(try ip("2001:db8::2"))
        connections.begin(try ip("2001:db8:0:1::1"))
        connections.begin(try ip("198.51.100.7"))
        #expect(connections.count(of: try ip("2001:db8::3")) == 2)
        #expect(connections.count(of: try ip("2001:db8:0:1::2")) == 1)
        #expect(connections.count(of: try ip("198.51.100.8")) == 0)
        connections.end(try ip("2001:db8::9"))
        #expect(connections.count(of: try ip("2001:db8::1")) == 1)
    }

    @Test("an end too many leaves nobody with fewer than none")
    func surplus() throws {
        var connections = UnprovenConnections()
        connections.end(try ip("198.51.100.7"))
        connections.begin(try ip("198.51.100.7"))
        #expect(connections.count(of: try ip("198.51.100.7")) == 1)
    }
}
