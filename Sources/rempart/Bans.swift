internal import ArgumentParser
internal import Glibc
internal import Messages
internal import Settings
internal import Sys

/// `rempart bans`: the bans in force.
struct Bans: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "List the banned addresses, with reason and end.")

    @OptionGroup var daemon: DaemonOptions
    @OptionGroup var table: TableOptions

    func run() throws {
        var list = BanList(json: table.json, now: Clock.sinceEpoch)
        var isTaken = true
        try daemon.list { ban in
            list.add(ban)
            if let part = list.part() { isTaken = isTaken && write(STDOUT_FILENO, part) }
        }
        list.rest { isTaken = isTaken && write(STDOUT_FILENO, $0) }
        guard isTaken else { throw ExitCode(1) }
    }
}

/// The bans as they are printed; moments of JSON are in seconds since 1970, those of a table are
/// told from now.
///
/// There may be 100,000 of them, so no row is a `String` at any time.
struct BanList {
    private var listing: Listing
    private let now: Milliseconds

    /// A list without a row.
    init(json isJSON: Bool, now: Milliseconds) {
        listing = Listing(
            Table("ADDRESS", "REASON", "OFFENCES", "TIMES", "SINCE", "ENDS IN", "EVIDENCE"),
            json: isJSON)
        self.now = now
    }

    /// Adds a ban.
    mutating func add(_ ban: borrowing PackedBan) {
        if listing.isJSON { addObject(ban) } else { addRow(ban) }
    }

    /// What can be printed already, once it is enough for a write.
    mutating func part() -> [UInt8]? { listing.part() }

    /// Hands over what is still to be printed, part by part.
    func rest(_ write: ([UInt8]) -> Void) {
        listing.rest(none: "No address is banned.", write)
    }

    private mutating func addRow(_ ban: borrowing PackedBan) {
        let source = ban.source
        let (since, until) = (now - ban.since, ban.until - now)
        let (count, level) = (Int64(ban.count), Int64(ban.level))
        listing.table.add { Self.append(source, to: &$0) }
        listing.table.add(cell: ban.reason)
        listing.table.add { $0.append(decimal: count) }
        listing.table.add { $0.append(decimal: level) }
        listing.table.add { bytes in
            since.speak(to: &bytes)
            bytes.append(contentsOf: " ago".utf8)
        }
        listing.table.add { until.speak(to: &$0) }
        listing.table.add(cell: ban.evidence)
    }

    private mutating func addObject(_ ban: borrowing PackedBan) {
        listing.beginObject()
        add("{\"address\":\"")
        Self.append(ban.source, to: &listing.objects)
        add("\",\"reason\":")
        JSON.append(quoted: ban.reason, to: &listing.objects)
        add(",\"evidence\":")
        JSON.append(quoted: ban.evidence, to: &listing.objects)
        add(",\"profile\":")
        JSON.append(quoted: ban.profile, to: &listing.objects)
        add(",\"since\":", ban.since.seconds)
        add(",\"until\":", ban.until.seconds)
        add(",\"firstSeen\":", ban.firstSeen.seconds)
        add(",\"lastSeen\":", ban.lastSeen.seconds)
        add(",\"count\":", Int64(ban.count))
        add(",\"level\":", Int64(ban.level))
        add("}")
    }

    private mutating func add(_ text: String, _ number: Int64? = nil) {
        listing.objects.append(contentsOf: text.utf8)
        if let number { listing.objects.append(decimal: number) }
    }

    /// The source as it is written: an IPv4 address by itself, anything else as a network.
    private static func append(_ source: Network, to bytes: inout [UInt8]) {
        if source.address.isV4, source.prefix == 32 {
            source.address.append(to: &bytes)
        } else {
            source.append(to: &bytes)
        }
    }
}

/// `rempart ban`: shuts an address out.
struct Ban: ParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Ban an address.")

    @Argument(help: "The IP address to ban.")
    var address: String
    @Option(
        name: .customLong("for"),
        help: ArgumentHelp("How long: 30s, 5m, 2h or 1d, at most 365d.", valueName: "span"))
    var span: String?
    @Option(
        help: ArgumentHelp(
            "Why, for the readers of the list; at most 100 characters.", valueName: "text"))
    var reason = "by-hand"
    @OptionGroup var daemon: DaemonOptions

    func validate() throws {
        _ = try Self.address(address)
        _ = try Self.span(span)
        guard reason.count <= 100 else {
            throw ValidationError("the reason is longer than 100 characters")
        }
    }

    func run() throws {
        let ip = try Self.address(address)
        let time = try Self.span(span)
        _ = try daemon.ask(.ban(ip, time, reason))
        let length = time.count == 0 ? "for the time set in defence.ban" : "for \(time.spoken)"
        print("\(ip) is banned \(length).")
    }

    /// The IP address of an argument.
    static func address(_ text: String) throws -> IPAddress {
        guard let ip = IPAddress(text) else {
            throw ValidationError("`\(text.terminalSafe)` is not an IP address")
        }
        return ip
    }

    /// The span of an argument; 0 stands for the daemon's own.
    private static func span(_ text: String?) throws -> Milliseconds {
        guard let text else { return .seconds(0) }
        guard let span = Milliseconds(duration: text),
            span >= .seconds(1), span <= .seconds(31_536_000)
        else {
            throw ValidationError(
                "`\(text.terminalSafe)` is not a duration from 1s to 365d, such as 30s, 5m, 2h, 1d")
        }
        return span
    }
}

/// `rempart unban`: lets an address, or all of them, in again.
struct Unban: ParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Lift the ban of an address, or all.")

    @Argument(help: "The IP address, or `all`.", completion: .list(["all"]))
    var address: String
    @OptionGroup var daemon: DaemonOptions

    func validate() throws { _ = try target() }

    func run() throws {
        let ip = try target()
        _ = try daemon.ask(.unban(ip))
        print(ip.map { "\($0) is not banned any more." } ?? "No address is banned any more.")
    }

    /// The address to let in, nil for all.
    private func target() throws -> IPAddress? {
        address == "all" ? nil : try Ban.address(address)
    }
}
