internal import Journal
internal import Messages
internal import Privsep
internal import Sys
internal import TemporaryFolder
internal import Testing
internal import Wire

@testable internal import banner

/// A firewall that only remembers; it can be told to fail.
final class RecordingFirewall: Firewall {
    let table: String
    init(_ table: String = "rempart") { self.table = table }

    var commands: [String] = []
    var transactions: [[ElementChange]] = []
    var ended: Set<Network> = []
    var failure: String?
    /// Whether it refuses a step, and with it the whole transaction.
    var refuses: (ElementChange) -> Bool = { _ in false }
    /// Called as a transaction comes, before it is carried out.
    var onChange: () -> Void = {}
    var number: UInt32 = 1
    var print: Int? = 7
    var kept: [KernelSet: [IPAddress: Milliseconds]] = [:]
    var ranges: [KernelSet: [AddressRange]] = [:]

    func run(_ commands: String) -> String? {
        if failure == nil { self.commands.append(commands) }
        number += 1
        return failure
    }

    func change(_ steps: [ElementChange]) -> String? {
        guard failure == nil else { return failure }
        if steps.contains(where: refuses) { return "Numerical result out of range" }
        onChange()
        transactions.append(steps)
        number += 1
        for step in steps {
            switch step {
            case .add(let set, let address, let span): kept[set, default: [:]][address] = span
            case .delete(let set, let address): kept[set]?[address] = nil
            case .flush(let set): (kept[set], ranges[set]) = ([:], [])
            case .ranges(let set, let more): ranges[set, default: []] += more
            case .removeRanges(let set, let gone): ranges[set]?.removeAll { gone.contains($0) }
            }
        }
        return nil
    }

    func generation() -> UInt32? { number }
    func fingerprint() -> Int? { print }
    func digest(_ set: KernelSet) -> Int? { AddressRange.digest(ranges[set] ?? []) }
    func elements(_ set: KernelSet) -> [IPAddress: Milliseconds]? { kept[set] ?? [:] }
    func endFlows(of sources: Set<Network>) { ended.formUnion(sources) }
}

/// A clock that a test sets, since 1970.
final class TestClock {
    var now = Milliseconds.seconds(1_000_000)
    /// How much more time has passed since the start of the machine than really has.
    var passed = Milliseconds(0)
}

/// A service with sip-router's end of its link.
final class Bench {
    let folder: TemporaryFolder
    let firewall = RecordingFirewall()
    let clock = TestClock()
    let service: BannerService
    private let end: Descriptor
    private let journal: (mine: Descriptor, its: Descriptor)?
    private var buffer = [UInt8](repeating: 0, count: Frame.maximumLength)

    /// A service in a folder; one that is `hearing` keeps its records for `records`.
    init(
        _ settings: [BannerSetting] = [.ban(.seconds(60))], folder: TemporaryFolder? = nil,
        failure: String? = nil, hearing: Bool = false,
        machine: [IPAddress] = []
    ) throws {
        journal = hearing ? try Socket.seqpacketPair() : nil
        self.folder = try folder ?? TemporaryFolder()
        firewall.failure = failure
        let (mine, its) = try Socket.seqpacketPair()
        end = mine
        service = BannerService(
            BannerSettings(settings), folder: self.folder.descriptor, firewall,
            Journal(process: "banner", socket: journal?.its.raw), usualPlaces: [],
            machine: machine,
            clock: { [clock] in clock.now },
            uptime: { [clock] in Clock.monotonic + clock.passed })
        service.router.attach(its)
        service.linked(.router)
    }

    /// Gives the service messages of one turn of its loop.
    func tell(_ messages: RouterToBanner...) throws {
        for message in messages {
            let frame = message.encoded()
            try service.receive(frame.span, from: .router)
        }
        endTurn()
    }

    /// What the loop does once the events of a turn are taken.
    func endTurn() {
        service.endOfTurn()
        while service.whenSpare() {}
    }

    /// Lets the service do what it does once a second.
    @discardableResult
    func second() -> String {
        defer { endTurn() }
        return service.second()
    }

    /// Reloads these settings; why they were refused, if they were.
    func reload(_ settings: [Setting] = []) -> String? {
        defer { endTurn() }
        var set = StartSet()
        set.settings = settings
        return service.reload(set)
    }

    /// Asks as a caller of the control socket.
    func ask(_ request: ControlRequest) -> [ControlReply] {
        let rows = service.replies(to: request)
        endTurn()
        return Array(rows)
    }

    /// The records written since that have a text in them; the others are forgotten.
    func records(_ text: String) -> [String] {
        var records: [String] = []
        while let journal,
            case .frame(let length, _)? = try? Frame.receive(into: &buffer, on: journal.mine.raw)
        {
            records.append(String(decoding: buffer[..<length], as: UTF8.self))
        }
        return text.isEmpty ? records : records.filter { $0.contains(text) }
    }

    /// Lets time pass on both clocks.
    func pass(_ span: Milliseconds) {
        clock.now = clock.now + span
        clock.passed = clock.passed + span
        second()
    }

    /// What sip-router has heard since.
    func heard() throws -> [BannerToRouter] {
        var heard: [BannerToRouter] = []
        while case .frame(let length, _) = try Frame.receive(into: &buffer, on: end.raw) {
            let frame = buffer
            try Parcel.forEach(in: frame.span.extracting(0..<length)) { message throws(WireError) in
                heard.append(try BannerToRouter(decoding: message))
            }
        }
        return heard
    }

    /// The bans as they are listed.
    func rows() -> [BanRow] {
        ask(.bans).compactMap { if case .ban(let row) = $0 { row } else { nil } }
    }

    /// The banned sources, by name.
    var sources: Set<String> { Set(rows().map(\.source.name)) }

    /// What is said to be wrong with the state.
    var states: [String] { service.conditions.filter { $0.kind == .state }.map(\.text) }

    /// What `rempart why` is told of an address, by its name.
    func findings(_ text: String) throws -> [String: String] {
        var found: [String: String] = [:]
        for case .finding(let name, let value) in ask(.why(try ip(text))) { found[name] = value }
        return found
    }
}

/// An address of a test's own text.
func ip(_ text: String) throws -> IPAddress { try #require(IPAddress(text)) }

/// A network of a test's own text.
func net(_ text: String) throws -> Network { try #require(Network(text)) }

/// A ban from the moment 0 to another, in seconds.
func row(_ text: String, until: Int64, level: UInt32 = 1) throws -> BanRow {
    BanRow(
        source: try net(text), reason: "x", since: .seconds(0), until: .seconds(until),
        firstSeen: .seconds(0), lastSeen: .seconds(0), count: 1, level: level)
}
