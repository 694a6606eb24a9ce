internal import Foundation
internal import Messages
internal import Sys
internal import Testing

@testable internal import banner

@Suite(
    "banner and the kernel", .serialized,
    .enabled(if: geteuid() == 0, "only root may make a network namespace"))
struct KernelTests {
    @Test("a ban is a dropped packet, another table stays as it is, and kill -9 lifts nothing")
    func kernel() throws {
        let folder = try TemporaryFolder()
        let banner = try BannerProcess()
        try banner.inside(
            "nft 'table inet neighbour { set s { type ipv4_addr; elements = { 192.0.2.1 } }; chain c"
                + " { type filter hook input priority 5; ip saddr @s counter drop; }; }'")
        let neighbour = try banner.inside("nft -a list table inet neighbour")
        try banner.start(folder.descriptor)
        let source = try ip("198.18.0.7")

        try banner.tell(order(source, .seconds(600)))
        try banner.tell(order(try ip("2001:db8::7"), .seconds(600)))
        let ruleset = try banner.listing { $0.contains("2001:db8::") }
        #expect(ruleset.contains("198.18.0.7 timeout"))
        #expect(ruleset.contains("priority raw"))

        try banner.inside("echo test > /dev/udp/198.18.0.1/5060")
        let counted = try banner.listing { $0.contains("@banned4 counter packets 1") }
        #expect(counted.contains("@banned4 counter packets 1"))

        banner.end()
        #expect(try banner.inside("nft list table inet rempart").contains("198.18.0.7"))
        try banner.start(folder.descriptor)
        try banner.hear(.all)
        #expect(try banner.inside("nft list table inet rempart").contains("198.18.0.7"))

        // Somebody flushes the ruleset, another empties a set: every ban is back without a new one.
        for damage in [
            "nft delete table inet rempart", "nft flush set inet rempart banned4",
            "nft flush chain inet rempart prerouting",
        ] {
            try banner.inside(damage)
            let rebuilt = try banner.listing {
                $0.contains("198.18.0.7") && $0.contains("@banned4 counter")
            }
            #expect(rebuilt.contains("198.18.0.7") && rebuilt.contains("@banned4 counter"))
        }
        #expect(try banner.inside("nft -a list table inet neighbour") == neighbour)
        try banner.inside("nft flush ruleset")
        #expect(try banner.listing { $0.contains("198.18.0.7") }.contains("198.18.0.7"))
    }

    @Test("a ban that is prolonged has the new timeout, a ban that is lifted is gone")
    func prolongAndLift() throws {
        let folder = try TemporaryFolder()
        let banner = try BannerProcess()
        try banner.start(folder.descriptor)
        let source = try ip("198.18.0.7")
        try banner.tell(order(source, .seconds(600)))
        _ = try banner.listing { $0.contains("198.18.0.7") }
        try banner.tell(order(source, .seconds(6000)))
        let prolonged = try banner.listing { $0.contains("timeout 1h") }
        #expect(prolonged.contains("198.18.0.7 timeout 1h"))
        try banner.tell(.protect(source, until: Clock.sinceEpoch + .seconds(3600)))
        let protected = try banner.listing { $0.contains("198.18.0.7 timeout 1h10m") }
        #expect(protected.contains("198.18.0.7 timeout 1h10m") || protected.contains("1h9m"))
    }

    private func order(_ address: IPAddress, _ span: Milliseconds) -> RouterToBanner {
        .ban(
            BanOrder(
                address: address, reason: "digest", evidence: "", count: 5,
                firstSeen: Clock.sinceEpoch, lastSeen: Clock.sinceEpoch, profile: "phones",
                atLeast: span))
    }

    @Test("a ban holds for every port and protocol, and an IPv6 ban for the /64 and no further")
    func everyPort() throws {
        let folder = try TemporaryFolder()
        let banner = try BannerProcess()
        try banner.start(folder.descriptor)
        try banner.tell(order(try ip("198.18.0.7"), .seconds(600)))
        try banner.tell(order(try ip("2001:db8:7::1"), .seconds(600)))
        _ = try banner.listing { $0.contains("198.18.0.7") && $0.contains("2001:db8:7::") }

        try banner.inside("for port in 22 5060 5061; do echo x > /dev/udp/198.18.0.1/$port; done")
        try banner.inside("timeout -s KILL 0.1 bash -c 'echo x > /dev/tcp/198.18.0.1/22'")
        let dropped = try banner.listing { _ in true }
        #expect(dropped.contains("@banned4 counter packets 4"))

        try banner.inside("echo x > /dev/udp/2001:db8::2/5060")
        #expect(try banner.listing { _ in true }.contains("@banned6 counter packets 0"))
        try banner.inside("echo x > /dev/udp/2001:db8::1/22")
        #expect(try banner.listing { _ in true }.contains("@banned6 counter packets 1"))
    }

    @Test("a table that a reboot took away is back with what was left of every ban")
    func reboot() throws {
        let folder = try TemporaryFolder()
        let banner = try BannerProcess()
        try banner.start(folder.descriptor)
        try banner.tell(order(try ip("198.18.0.7"), .seconds(600)))
        try banner.tell(order(try ip("2001:db8:7::1"), .seconds(600)))
        _ = try banner.listing { $0.contains("198.18.0.7") && $0.contains("2001:db8:7::") }
        try banner.stop()
        try banner.inside("nft delete table inet rempart")
        try banner.start(folder.descriptor)
        let table = try banner.listing { _ in true }
        #expect(table.contains("2001:db8:7:: timeout"))
        let left = try #require(table.firstMatch(of: /198\.18\.0\.7 timeout (9m5\d|10m)/))
        #expect(!left.output.1.isEmpty)
    }

    @Test("the table stays when banner stops, or goes if it is asked to")
    func cleanStop() throws {
        let folder = try TemporaryFolder()
        let banner = try BannerProcess()
        for isTidy in [false, true] {
            try banner.start(folder.descriptor, [.cleanup(isTidy)])
            try banner.stop()
            #expect(try banner.inside("nft list tables").contains("rempart") == !isTidy)
        }
    }

    @Test(
        "the flows that conntrack knows of a banned source end, those of others stay",
        .enabled(
            if: FileManager.default.isReadableFile(atPath: "/proc/net/nf_conntrack"),
            "this kernel lists no flows"))
    func flows() throws {
        let folder = try TemporaryFolder()
        let banner = try BannerProcess()
        // A rule that asks for the state of flows has the kernel keep it.
        try banner.inside(
            "nft 'table inet stateful { chain c { type filter hook input priority 0;"
                + " ct state established accept; }; }'")
        try banner.start(folder.descriptor)
        let flows = "cat /proc/net/nf_conntrack"
        for address in ["198.18.0.1", "198.18.0.2", "2001:db8::1", "2001:db8::2"] {
            try banner.inside("echo x > /dev/udp/\(address)/5060")
        }
        let banned = ["src=198.18.0.7", "src=2001:0db8:0007:0000:0000:0000:0000:0009"]
        let others = ["src=198.18.0.8", "src=2001:0db8:0008:0000:0000:0000:0000:0009"]
        let before = try banner.inside(flows)
        for source in banned + others { #expect(before.contains(source)) }

        try banner.tell(order(try ip("198.18.0.7"), .seconds(600)))
        try banner.tell(order(try ip("2001:db8:7::1"), .seconds(600)))
        let after = try banner.output(of: flows) { text in !banned.contains { text.contains($0) } }
        for source in banned { #expect(!after.contains(source)) }
        for source in others { #expect(after.contains(source)) }
    }
}
