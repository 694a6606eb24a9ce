import Messages
import Sys
import Testing

@testable import supervisor

private func ip(_ text: String) -> IPAddress {
    guard let ip = IPAddress(text) else { preconditionFailure("no address: \(text)") }
    return ip
}

private func address(_ text: String) -> SocketAddress {
    guard let address = SocketAddress(text) else { preconditionFailure("no address: \(text)") }
    return address
}

/// A kernel of which a test says what its routes are.
private final class Routes {
    var ways: [SocketAddress: Socket.Way] = [:]
    var networks: [Network] = []
    private(set) var looks = 0

    var kernel: RouteWatch.Kernel {
        RouteWatch.Kernel(
            way: {
                self.looks += 1
                return self.ways[$0] ?? .none
            }, networks: { self.networks })
    }
}

@Suite("The inside endpoint of an Asterisk") struct InsideEndpointsTests {
    /// The listener toward an Asterisk, of endpoints numbered from 1 on, behind one of the outside.
    private func chosen(
        _ endpoints: [String], _ asterisk: String, from source: String?,
        _ networks: [String] = []
    ) -> UInt8? {
        let outside = RouterSetting.outside(Endpoint(.udp, address("203.0.113.5:5060")))
        let inside = endpoints.map { RouterSetting.inside(Endpoint(.udp, address($0))) }
        let all = InsideEndpoints([outside] + inside)
        let source = source.map(ip)
        let way =
            all.way(
                toward: ip(asterisk), from: source, networks: networks.compactMap { Network($0) })
            ?? all.usualWay(toward: ip(asterisk), from: source)
        return way?.listener
    }

    @Test(
        "it is the one that the kernel's route begins at",
        arguments: [
            ("10.0.0.10", "10.0.0.1", UInt8(1)), ("10.1.0.10", "10.1.0.1", 2),
            ("2001:db8::10", "2001:db8::1", 3),
            // However far it is.
            ("192.0.2.7", "10.1.0.1", 2),
        ])
    func route(_ asterisk: String, _ source: String, _ listener: UInt8) {
        let endpoints = ["10.0.0.1:5060", "10.1.0.1:5060", "[2001:db8::1]:5060"]
        #expect(chosen(endpoints, asterisk, from: source) == listener)
    }

    @Test("where the route begins at no endpoint, it is the one in the Asterisk's network")
    func network() {
        let endpoints = ["10.0.0.1:5060", "10.1.0.1:5060", "[2001:db8::1]:5060"]
        let networks = ["10.0.0.0/24", "10.1.0.0/24", "10.1.0.1/32", "2001:db8::/64"]
        #expect(chosen(endpoints, "10.1.0.10", from: "10.1.0.2", networks) == 2)
        #expect(chosen(endpoints, "10.0.0.10", from: "10.0.0.2", networks) == 1)
        // Behind a router of that network.
        #expect(chosen(endpoints, "192.0.2.7", from: "10.1.0.2", networks) == 2)
        // The narrowest network is the one that the Asterisk is in.
        #expect(chosen(endpoints, "10.1.0.10", from: nil, ["10.0.0.0/8", "10.1.0.0/24"]) == 2)
    }

    @Test("else it is one at every address, else the first of the family")
    func family() {
        let two = ["10.0.0.1:5060", "[2001:db8::1]:5060", "10.1.0.1:5060"]
        #expect(chosen(two, "192.0.2.7", from: "203.0.113.5") == 1)
        #expect(chosen(two, "2001:db8:1::7", from: nil) == 2)
        let every = two + ["0.0.0.0:5070"]
        #expect(chosen(every, "192.0.2.7", from: "203.0.113.5") == 4)
        #expect(chosen(every, "10.1.0.10", from: "10.1.0.1") == 3)
        #expect(chosen(["10.0.0.1:5060"], "2001:db8::7", from: "2001:db8::1") == nil)
    }

    @Test("no Asterisk is called from an endpoint of TCP, or from a trunk's")
    func others() {
        let endpoints = InsideEndpoints([
            .inside(Endpoint(.tcp, address("10.0.0.1:5060"))),
            .trunk("telco", .inside(Endpoint(.udp, address("10.0.0.1:5071")))),
            .inside(Endpoint(.udp, address("10.0.0.1:5060"))),
        ])
        let chosen = endpoints.way(toward: ip("10.0.0.10"), from: ip("10.0.0.1"), networks: [])
        #expect(chosen == AsteriskWay(to: ip("10.0.0.10"), by: 2))
    }

    @Test("of an endpoint at every address the route's beginning is told too")
    func wildcard() {
        let endpoints = InsideEndpoints([.inside(Endpoint(.udp, address("0.0.0.0:5070")))])
        for own in ["10.0.0.1", "10.1.0.1"].map(ip) {
            let way = endpoints.way(toward: ip("10.1.0.10"), from: own, networks: [])
            #expect(way == AsteriskWay(to: ip("10.1.0.10"), by: 0, from: own))
        }
    }
}

@Suite struct RouteWatchTests {
    private static let near = address("10.0.0.10:5060")
    private static let far = address("10.1.0.10:5060")
    private static let settings: [RouterSetting] = [
        .outside(Endpoint(.udp, address("203.0.113.5:5060"))),
        .inside(Endpoint(.udp, address("10.0.0.1:5060"))),
        .inside(Endpoint(.udp, address("10.1.0.1:5060"))),
        .asterisk(near), .asterisk(far),
    ]
    private let routes = Routes()

    private func way(_ asterisk: SocketAddress, _ listener: UInt8) -> AsteriskWay {
        AsteriskWay(to: asterisk.ip, by: listener)
    }

    @Test("an Asterisk without a route is a condition that says what to do, until it has one")
    func noRoute() throws {
        routes.ways = [Self.near: .from(ip("10.0.0.1"))]
        var watch = RouteWatch(Self.settings, at: .seconds(1), kernel: routes.kernel)
        let condition = try #require(watch.condition)
        #expect(condition.kind == .route && condition.recorded == .neither)
        #expect(condition.text.hasPrefix("this machine has no route to the Asterisk \(Self.far). "))
        #expect(condition.text.contains("`ip route get 10.1.0.10`"))
        // It is called all the same, from the first endpoint.
        #expect(watch.ways == [way(Self.near, 1), way(Self.far, 1)])
        #expect(watch.next == .seconds(11))
        routes.ways[Self.far] = .from(ip("10.1.0.1"))
        let isOther = watch.look(at: .seconds(11))
        #expect(isOther && watch.condition == nil)
        #expect(watch.ways == [way(Self.near, 1), way(Self.far, 2)])
        let isAnother = watch.look(at: .seconds(21))
        #expect(!isAnother && watch.next == .seconds(31))
    }

    @Test("a route that goes elsewhere is seen, one that the kernel has no room to tell of stays")
    func changes() {
        routes.ways = [Self.near: .from(ip("10.0.0.1")), Self.far: .from(ip("10.1.0.1"))]
        var watch = RouteWatch(Self.settings, at: .seconds(1), kernel: routes.kernel)
        routes.ways[Self.far] = .from(ip("10.0.0.1"))
        let isOther = watch.look(at: .seconds(11))
        #expect(isOther && watch.ways == [way(Self.near, 1), way(Self.far, 1)])
        routes.ways = [Self.near: .unknown, Self.far: .unknown]
        let isAnother = watch.look(at: .seconds(21))
        #expect(!isAnother && watch.condition == nil)
    }

    @Test("an Asterisk whose route is gone is called as before, over a reload too, and is told of")
    func gone() {
        routes.ways = [Self.near: .from(ip("10.0.0.1")), Self.far: .from(ip("10.1.0.1"))]
        var watch = RouteWatch(Self.settings, at: .seconds(1), kernel: routes.kernel)
        routes.ways = [:]
        let isOther = watch.look(at: .seconds(11))
        #expect(!isOther && watch.condition?.kind == .route)
        let reloaded = RouteWatch(
            Self.settings, after: watch.ways, at: .seconds(12), kernel: routes.kernel)
        #expect(reloaded.ways == [way(Self.near, 1), way(Self.far, 2)])
        #expect(reloaded.condition?.kind == .route)
    }

    @Test("an Asterisk that the default route leads to for a while is called as before")
    func defaultRoute() {
        routes.ways = [Self.near: .from(ip("10.0.0.1")), Self.far: .from(ip("10.1.0.1"))]
        var watch = RouteWatch(Self.settings, at: .seconds(1), kernel: routes.kernel)
        routes.ways[Self.far] = .from(ip("203.0.113.5"))
        let isOther = watch.look(at: .seconds(11))
        #expect(!isOther && watch.ways == [way(Self.near, 1), way(Self.far, 2)])
        #expect(watch.condition?.text.contains("\(Self.far)") == true)
    }

    @Test("64 Asterisks without a route are named in one condition, which arrives whole")
    func many() throws {
        let asterisks = (1...64).map {
            RouterSetting.asterisk(address("[2001:db8:1234:5678:9abc:def0:1234:\($0)]:5060"))
        }
        let watch = RouteWatch(
            Self.settings.dropLast(2) + asterisks, at: .seconds(1), kernel: routes.kernel)
        let text = try #require(watch.condition).text
        #expect(text.hasPrefix("this machine has no route to 64 Asterisks: [2001:"))
        #expect(text.contains(" and 60 more. ") && text.utf8.count <= 400)
        #expect(watch.ways.isEmpty)
    }
}
