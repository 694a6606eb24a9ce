internal import Glibc
internal import Messages
internal import Reactor
internal import Sys
internal import Wire

/// The real banner, with this program as its supervisor and sip-router.
final class Banner {
    /// From its start to its READY.
    let start: Duration
    /// How many bans it has told sip-router of.
    private(set) var told = 0
    private let supervisor: Descriptor
    private let router: Descriptor
    private let process: Process
    private var buffer = [UInt8](repeating: 0, count: Frame.maximumLength)

    /// A banner of a folder of binaries, with the bans of a state folder; its records go to a file in there.
    init(_ binaries: String, state: String, settings: [Setting] = []) {
        do throws(SystemError) {
            let (mine, its) = try Socket.seqpacketPair()
            let (routersEnd, bannersEnd) = try Socket.seqpacketPair()
            (supervisor, router) = (mine, routersEnd)
            let log = openFile("\(state)/log", O_WRONLY | O_CREAT | O_APPEND)
            let began = ContinuousClock.now
            process = Process(["\(binaries)/banner"], link: its, output: log)
            its.close()
            Self.say(.hello(.banner), on: mine)
            for setting in settings { Self.say(.setting(setting), on: mine) }
            Self.say(.file(.state, openFile(state, O_RDONLY | O_DIRECTORY)), on: mine)
            Self.say(.table(FirewallTable.standard), on: mine)
            Self.say(.peer(.router, bannersEnd), on: mine)
            Self.say(.begin, on: mine)
            try Self.awaitReady(mine)
            start = began.duration(to: .now)
        } catch {
            fail("\(error)")
        }
        send(RouterToBanner.hello.encoded())
    }

    private static func awaitReady(_ end: Descriptor) throws(SystemError) {
        var poller = try Poller(capacity: 1)
        try poller.add(end.raw, Token(kind: 0), .read)
        var buffer = [UInt8](repeating: 0, count: Frame.maximumLength)
        while poller.wait(.seconds(30)) > 0 {
            switch try Frame.receive(into: &buffer, on: end.raw) {
            case .frame(let length, _):
                let message = try? ChildMessage(decoding: buffer.span.extracting(0..<length))
                if message == .ready { return }
            case .nothing: break
            case .cut, .ended: fail("banner has ended; its log says why")
            }
        }
        fail("banner is not ready after 30 s; its log says why")
    }

    private static func say(_ message: SupervisorMessage, on end: Descriptor) {
        let (frame, passing) = message.encoded()
        let isSent = try? Frame.send(frame.span, passing: passing, on: end.raw)
        guard isSent == true else { fail("banner takes nothing from its supervisor") }
    }

    /// Sends a frame as sip-router, once there is room.
    func send(_ frame: [UInt8]) {
        do throws(SystemError) {
            while try !Frame.send(frame.span, on: router.raw) { drain() }
        } catch {
            fail("\(error)")
        }
    }

    /// Takes what banner has said, and counts the bans.
    func drain() {
        while case .frame(_, _)? = try? Frame.receive(into: &buffer, on: supervisor.raw) {}
        while case .frame(let length, _)? = try? Frame.receive(into: &buffer, on: router.raw) {
            do throws(WireError) {
                let frame = buffer.span.extracting(0..<length)
                try Parcel.forEach(in: frame) { part throws(WireError) in
                    if case .banned = try BannerToRouter(decoding: part) { told += 1 }
                }
            } catch {
                fail("banner's frame: \(error)")
            }
        }
    }

    /// Hands over a caller of the control socket.
    func pass(_ request: ControlRequest, of caller: Descriptor) {
        Self.say(.client(request, caller), on: supervisor)
    }

    /// Ends it as the supervisor does.
    func stop() {
        Self.say(.stop, on: supervisor)
        drain()
        guard process.wait() == 0 else { fail("banner did not end in good order") }
    }
}

/// The order to ban an address for a day, as sip-router gives it.
func order(_ address: IPAddress) -> RouterToBanner {
    .ban(
        BanOrder(
            address: address, reason: "wrong-password", evidence: "5 wrong passwords for 1001",
            count: 5, firstSeen: Clock.sinceEpoch, lastSeen: Clock.sinceEpoch, profile: "phones",
            atLeast: .seconds(86_400)))
}

/// Frames of so many orders, as sip-router gathers what it has in a turn of its loop.
func parcels(_ addresses: some Sequence<IPAddress>) -> [[UInt8]] {
    var frames: [[UInt8]] = []
    var parcel = Parcel()
    for address in addresses {
        let message = order(address).encoded()
        if parcel.add(message.span) { continue }
        frames.append(parcel.frame)
        parcel.removeAll()
        guard parcel.add(message.span) else { fail("an order is too long for a parcel") }
    }
    return parcel.isEmpty ? frames : frames + [parcel.frame]
}
