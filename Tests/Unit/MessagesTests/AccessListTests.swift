import Messages
import Sys
import Testing
import Wire

@Suite("AccessList") struct AccessListTests {
    private static func network(_ text: String) -> Network {
        guard let network = Network(text) else { preconditionFailure(text) }
        return network
    }

    /// Nobody but two networks, but for one host of the first.
    static let office = AccessList([
        AccessRule(false, network("0.0.0.0/0")), AccessRule(true, network("198.51.100.0/24")),
        AccessRule(true, network("2001:db8::/32")), AccessRule(false, network("198.51.100.7")),
        AccessRule(false, network("192.168.0.0/16"), .contact),
    ])

    private func admits(_ list: AccessList, _ ip: String, _ target: AccessTarget = .source) throws
        -> Bool
    {
        let bytes = list.bytes
        return AccessList.admits(bytes.span, target, try #require(IPAddress(ip)))
    }

    private func limits(_ list: AccessList) -> Bool {
        let bytes = list.bytes
        return AccessList.limits(bytes.span, .contact)
    }

    @Test("without rules everybody may pass, and an account without rules costs no byte")
    func none() throws {
        #expect(AccessList().bytes.isEmpty)
        #expect(try admits(AccessList(), "192.0.2.1"))
        #expect(try admits(AccessList(), "2001:db8::1"))
    }

    @Test("the last rule that fits decides, each family by rules of its own")
    func lastMatch() throws {
        for (ip, passes) in [
            ("198.51.100.8", true), ("198.51.100.7", false), ("192.0.2.1", false),
            ("2001:db8::1", true), ("2001:db9::1", true),
        ] {
            #expect(try admits(Self.office, ip) == passes, "\(ip)")
        }
    }

    @Test("a rule about Contacts says nothing of sources, and the other way round")
    func targets() throws {
        #expect(try admits(Self.office, "192.168.1.1", .contact) == false)
        #expect(try admits(Self.office, "192.0.2.1", .contact))
        #expect(limits(Self.office) && !limits(.nobody))
    }

    @Test("every list has to let an address pass")
    func lists() throws {
        let both = AccessList([
            AccessRule(false, Self.network("0.0.0.0/0"), list: 1),
            AccessRule(true, Self.network("10.0.0.0/8"), list: 1),
            AccessRule(false, Self.network("10.1.0.0/16"), list: 2),
            AccessRule(true, Self.network("0.0.0.0/0")),
        ])
        #expect(try admits(both, "10.2.0.1"))
        #expect(try !admits(both, "10.1.0.1"))
        #expect(try !admits(both, "192.0.2.1"))
    }

    @Test("nobody is nobody", arguments: ["192.0.2.1", "::1", "2001:db8::1", "255.255.255.255"])
    func nobody(ip: String) throws { #expect(try !admits(.nobody, ip)) }

    @Test("there are never more than 24 rules, which fit beside the longest names")
    func most() {
        let rule = AccessRule(true, Self.network("2001:db8::1"))
        let list = AccessList(Array(repeating: rule, count: 30))
        #expect(list.bytes.count == AccessList.longest)
        #expect(AccessList.longest + 64 + 255 + 255 <= TextStore.longest)
    }

    @Test("bytes that are no rules admit as if they were not there, and never trap")
    func noise() {
        for length in 0..<200 {
            let bytes = Random.bytes(length)
            _ = AccessList.admits(bytes.span, .source, IPAddress(v4: 1))
        }
    }
}
