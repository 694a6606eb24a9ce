internal import Messages
internal import Sys
internal import Testing

@testable internal import banner

@Suite("Own addresses")
struct OwnAddressTests {
    @Test(
        "behind NAT the table guards the bound address, and neither address of ours is ever banned"
    )
    func behindNAT() throws {
        let outside = SocketAddress(try ip("172.31.5.10"), port: 5060)
        let shown = SocketAddress(try ip("203.0.113.5"), port: 5070)
        let bench = try Bench([
            .outside(Endpoint(.udp, outside), advertised: shown), .ban(.seconds(60)),
            .outside(Endpoint(.udp, SocketAddress(try ip("127.0.0.1"), port: 5060))),
        ])
        let text = try #require(bench.firewall.commands.last)
        #expect(text.contains("outside4 { 172.31.5.10 . udp . 5060, "))
        // Phones behind the same NAT may come by that address.
        #expect(text.contains("own4 { 172.31.5.10 }") && !text.contains("203.0.113.5"))
        try bench.tell(.hello)
        _ = try bench.heard()
        for own in ["172.31.5.10", "203.0.113.5"] {
            try bench.tell(try order(own))
            #expect(try bench.heard() == [.unbanned(try net(own))])
            guard case .failed(let why)? = bench.ask(.ban(try ip(own), .seconds(60), "")).first
            else {
                Issue.record("\(own) was banned by hand")
                continue
            }
            #expect(why == "\(own) is not banned: \(own) is the edge's own address outside")
        }
        #expect(bench.rows().isEmpty)
        try bench.tell(try order("127.0.0.1"))
        #expect(bench.rows().count == 1)
    }

    @Test(
        "at a wildcard address no address of the machine is banned, nor an IPv6 one's /64",
        arguments: [
            ("0.0.0.0", "198.51.100.2", "2001:db8::66"), ("::", "2001:db8::66", "198.51.100.2"),
        ])
    func wildcards(_ every: String, _ own: String, _ other: String) throws {
        let endpoint = Endpoint(.udp, SocketAddress(try ip(every), port: 5060))
        let bench = try Bench(
            [.outside(endpoint), .ban(.seconds(60))],
            machine: [try ip("127.0.0.1"), try ip("198.51.100.2"), try ip("2001:db8::5")])
        try bench.tell(.hello)
        _ = try bench.heard()
        try bench.tell(try order(own))
        #expect(try bench.heard() == [.unbanned(Network.source(of: try ip(own)))])
        #expect(bench.rows().isEmpty)
        try bench.tell(try order(other))
        #expect(bench.rows().count == 1)
    }
}
