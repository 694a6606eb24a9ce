import Sys
import Testing

@Suite struct IPAddressTests {
    @Test(
        "an address is written in its canonical form (RFC 5952)",
        arguments: [
            ("192.0.2.1", "192.0.2.1"), ("0.0.0.0", "0.0.0.0"),
            ("255.255.255.255", "255.255.255.255"), ("::", "::"), ("::1", "::1"), ("1::", "1::"),
            ("2001:DB8:0:0:0:0:0:1", "2001:db8::1"), ("2001:db8::1:0:0:1", "2001:db8::1:0:0:1"),
            ("2001:0:0:1:0:0:0:1", "2001:0:0:1::1"), ("1:2:3:4:5:6:7:8", "1:2:3:4:5:6:7:8"),
            ("1:2:3:4:5:6:192.0.2.1", "1:2:3:4:5:6:c000:201"), ("::ffff:192.0.2.1", "192.0.2.1"),
            ("1:0:3:4:5:6:7:8", "1:0:3:4:5:6:7:8"), ("64:ff9b::192.0.2.33", "64:ff9b::c000:221"),
            ("1:2:3:4:5:6:7::", "1:2:3:4:5:6:7:0"),
        ])
    func canonical(_ text: String, _ expected: String) {
        #expect(IPAddress(text)?.description == expected)
    }

    @Test(
        "an address of one's own networks, and one of many hosts, are known at their bounds",
        arguments: [
            ("9.255.255.255", false, false), ("10.0.0.0", true, false),
            ("100.63.255.255", false, false), ("100.64.0.0", true, false),
            ("100.128.0.0", false, false), ("127.0.0.1", true, false),
            ("169.254.0.1", true, false), ("172.15.255.255", false, false),
            ("172.16.0.0", true, false), ("172.32.0.0", false, false),
            ("192.168.255.255", true, false), ("223.255.255.255", false, false),
            ("224.0.0.0", false, true), ("239.255.255.255", false, true),
            ("240.0.0.1", false, false), ("255.255.255.255", false, true),
            ("2001:db8::1", false, false), ("fbff::1", false, false), ("fc00::1", true, false),
            ("fdff::1", true, false), ("fe80::1", true, false), ("::1", true, false),
            ("ff02::1", false, true),
        ])
    func kinds(_ text: String, _ isPrivate: Bool, _ isMulticast: Bool) throws {
        let address = try #require(IPAddress(text))
        #expect(address.isPrivate == isPrivate)
        #expect(address.isMulticast == isMulticast)
    }

    @Test(
        "what is no address is refused",
        arguments: [
            "", "1", "1.2.3", "1.2.3.4.5", "1.2.3.256", "1.2.3.04", "1.2.3.4 ", " 1.2.3.4",
            "1..2.3",
            ".1.2.3", "1.2.3.", "a.b.c.d", ":", ":::", "1::2::3", "1:2:3:4:5:6:7", "12345::",
            "1:2:3:4:5:6:7:8:9", "1:2:3:4:5:6:7:8::", "g::", "[::1]", "::1%eth0", "1:2:3:4:5:6:7:",
            ":1:2:3:4:5:6:7:8", "::1.2.3", "1:2:3:4:5:6:7:1.2.3.4", "1.2.3.4::", "+1.2.3.4",
        ])
    func refused(_ text: String) {
        #expect(IPAddress(text) == nil)
    }

    @Test("every address is read back from what is written")
    func roundTrip() {
        for _ in 0..<2000 {
            let zeros = Random.word
            var bytes = Random.bytes(16)
            for index in 0..<16 where zeros >> UInt64(index) & 1 == 1 { bytes[index] = 0 }
            let high = bytes[..<8].reduce(0) { $0 << 8 | UInt64($1) }
            let low = bytes[8...].reduce(0) { $0 << 8 | UInt64($1) }
            let address = IPAddress(high: high, low: low)
            #expect(IPAddress(address.description) == address, "\(address)")
        }
    }
}

@Suite struct NetworkTests {
    @Test(
        "an address lies in a network when the leading bits are the same",
        arguments: [
            ("192.0.2.0/24", "192.0.2.255", true), ("192.0.2.0/24", "192.0.3.0", false),
            ("192.0.2.7", "192.0.2.7", true), ("0.0.0.0/0", "203.0.113.5", true),
            ("0.0.0.0/0", "::1", false), ("::/0", "192.0.2.1", false),
            ("2001:db8::/32", "2001:db8:ffff::1", true), ("2001:db8::/32", "2001:db9::", false),
            ("2001:db8::/65", "2001:db8::8000:0:0:0", false),
        ])
    func contains(_ network: String, _ address: String, _ expected: Bool) throws {
        let network = try #require(Network(network))
        #expect(try network.contains(#require(IPAddress(address))) == expected)
    }

    @Test(
        "what is no network is refused",
        arguments: ["", "/", "192.0.2.0/", "192.0.2.0/33", "::/129", "192.0.2.0/24/1", "x/8"])
    func refused(_ text: String) {
        #expect(Network(text) == nil)
    }

    @Test("bits behind the prefix are forgotten")
    func masked() {
        #expect(Network("192.0.2.77/24")?.description == "192.0.2.0/24")
        #expect(Network("2001:db8::77/32")?.description == "2001:db8::/32")
    }

    @Test(
        "a source is an IPv4 address or an IPv6 /64, its neighbourhood a /24 or a /48",
        arguments: [
            ("192.0.2.77", "192.0.2.77", "192.0.2.77/32", "192.0.2.0/24"),
            ("2001:db8:1:2:3::4", "2001:db8:1:2::", "2001:db8:1:2::/64", "2001:db8:1::/48"),
        ])
    func sources(_ text: String, _ source: String, _ network: String, _ wide: String) throws {
        let address = try #require(IPAddress(text))
        #expect(address.source == IPAddress(source))
        #expect(Network.source(of: address) == Network(network))
        #expect(Network.neighbourhood(of: address) == Network(wide))
        #expect(!Network.source(of: address).isWide)
        #expect(Network.neighbourhood(of: address).isWide)
    }
}
