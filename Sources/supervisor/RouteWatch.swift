internal import Messages
internal import Sys

/// From which inside endpoint each Asterisk is called, as the kernel's routes have it.
struct RouteWatch {
    /// What the kernel is asked.
    struct Kernel {
        /// Its way to an address.
        var way: (SocketAddress) -> Socket.Way = Socket.way(to:)
        /// The networks of this machine's interfaces.
        var networks: () -> [Network] = Socket.ownNetworks
    }

    private struct Place {
        let asterisk: SocketAddress
        /// The last way that the kernel has told.
        var way = Socket.Way.unknown
        /// From which endpoint it is called; nil when none is of its family.
        var chosen: AsteriskWay?
    }

    /// How often it is looked.
    static let interval = Milliseconds.seconds(10)

    private let endpoints: InsideEndpoints
    private let kernel: Kernel
    private var places: [Place]
    /// When it is looked next.
    private(set) var next: Milliseconds

    /// The Asterisks of settings, looked at now; `former` are the ways of before.
    init(
        _ settings: [RouterSetting], after former: [AsteriskWay] = [], at now: Milliseconds,
        kernel: Kernel = Kernel()
    ) {
        endpoints = InsideEndpoints(settings)
        self.kernel = kernel
        places = settings.compactMap {
            guard case .asterisk(let address) = $0 else { return nil }
            return Place(
                asterisk: address, chosen: former.first { $0.asterisk == address.ip })
        }
        next = now
        _ = look(at: now)
    }

    /// From which endpoint each Asterisk is called; one that no endpoint's family reaches is not among them.
    var ways: [AsteriskWay] { places.compactMap(\.chosen) }

    /// Asks the kernel anew; whether an Asterisk is called from elsewhere now.
    ///
    /// One whose route is gone, or for a while is a route to elsewhere, is called as before: it comes back so, and no
    /// account is registered from elsewhere meanwhile.
    mutating func look(at now: Milliseconds) -> Bool {
        next = now + Self.interval
        let before = ways
        let networks = kernel.networks()
        for index in places.indices {
            let asterisk = places[index].asterisk
            var way = kernel.way(asterisk)
            // Without its own route the default one takes what is for an Asterisk to the Internet.
            if case .from(let own) = way, endpoints.isOutside(own) { way = .none }
            if way != .unknown { places[index].way = way }
            var source: IPAddress?
            if case .from(let own) = way { source = own }
            let isFirst = places[index].chosen == nil
            guard source != nil || isFirst else { continue }
            if let found = endpoints.way(
                toward: asterisk.ip, from: source, networks: networks)
            {
                places[index].chosen = found
            } else if isFirst {
                places[index].chosen = endpoints.usualWay(toward: asterisk.ip, from: source)
            }
        }
        return ways != before
    }

    /// What is wrong while the kernel has no route to an Asterisk.
    var condition: Condition? {
        let absent = places.filter { $0.way == .none }
        guard let first = absent.first else { return nil }
        let names =
            absent.prefix(4).map(\.asterisk.description).joined(separator: ", ")
            + (absent.count > 4 ? " and \(absent.count - 4) more" : "")
        let who = absent.count == 1 ? "the Asterisk" : "\(absent.count) Asterisks:"
        return Condition(
            .route,
            "this machine has no route to \(who) \(names). Bring its interface up, or add the route;"
                + " `ip route get \(first.asterisk.ip)` shows when it is there. Calls go there"
                + " within \(Self.interval.seconds) s then")
    }
}

extension Supervisor {
    /// Asks the kernel from which endpoint each Asterisk of the settings in force is called.
    func findWays() -> [AsteriskWay] {
        let watch = RouteWatch(
            configuration?.settings.compactMap(\.told.router) ?? [], after: routes?.ways ?? [],
            at: now)
        routes = watch
        return watch.ways
    }

    /// Looks at the routes when it is time, and tells sip-router when it is to call from elsewhere.
    func lookAtRoutes() {
        guard let next = routes?.next, next <= now, routes?.look(at: now) == true,
            let ways = routes?.ways,
            let router = children.first(where: { $0.role == .router }), router.life.isListening
        else { return }
        send([.ways(ways)], to: router)
    }
}
