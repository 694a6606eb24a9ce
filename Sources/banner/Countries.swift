// The countries that strangers may come from.
internal import Glibc
internal import Journal
internal import Messages
internal import Sys

/// The countries of the settings, and the database that tells them, taken up again when it is replaced.
struct Countries {
    private let journal: Journal
    /// Where a copy is kept, so that whatever is done to the file, what is mapped stays as it is.
    private let folder: Descriptor?
    private let usualPlaces: [String]
    private var wanted: Set<String> = []
    private var files: [WatchedFile] = []
    private var database: CountryDatabase?
    private var networks: [Network] = []
    /// Why the file of now is not used; empty when it is.
    private var fault = ""
    /// When a file that could not be copied is tried again.
    private var nextTry: Milliseconds?
    private var saidMissing = false

    private static let longest = 256 << 20
    private static let retryAfter = Milliseconds.seconds(60)
    private static let copy = "countries.mmdb"
    private static let fresh = "countries.new"

    /// Where the database is when the settings do not say.
    static let usualPlaces = UsualPlaces.countryDatabases

    /// The networks without a country that strangers may come from too: private and link-local ones.
    private static let everywhere = [
        "10.0.0.0/8", "100.64.0.0/10", "169.254.0.0/16", "172.16.0.0/12", "192.168.0.0/16",
        "fc00::/7", "fe80::/10",
    ].compactMap { Network($0) }

    /// No countries yet; `folder` keeps the copy.
    init(folder: Descriptor?, _ journal: Journal, usualPlaces: [String] = Self.usualPlaces) {
        self.journal = journal
        self.folder = folder
        self.usualPlaces = usualPlaces
    }

    /// Where strangers may come from; nil when from anywhere.
    var ranges: AddressRanges? {
        wanted.isEmpty || networks.isEmpty ? nil : AddressRanges(networks + Self.everywhere)
    }

    /// Whether the settings name countries, but no database tells them.
    var isOff: Bool { !wanted.isEmpty && networks.isEmpty }

    /// Whether the settings name countries.
    var isWanted: Bool { !wanted.isEmpty }

    /// One line about the database, for the administrator; empty when all is well.
    var state: String {
        guard fault.isEmpty, database == nil || isOff else { return fault }
        return "no country database: tried \(files.map(\.path).joined(separator: ", "))"
    }

    /// The country of an address; empty when it is not known.
    func country(of address: IPAddress) -> String { database?.country(of: address) ?? "" }

    /// The folders that must stay readable.
    static func folders(_ settings: BannerSettings) -> [String] {
        Set(paths(settings, usualPlaces).map(WatchedFile.folder)).sorted()
    }

    private static func paths(_ settings: BannerSettings, _ usual: [String]) -> [String] {
        settings.database.map { [$0] } ?? usual
    }

    /// Follows these settings.
    mutating func follow(_ settings: BannerSettings) {
        wanted = settings.countries
        saidMissing = false
        fault = ""
        // Those of before stay until a database knows some of the new ones: none would shut out everybody.
        if let known = try? database?.networks(of: wanted), !known.isEmpty || wanted.isEmpty {
            networks = known
        }
        files = Self.paths(settings, usualPlaces).map { WatchedFile($0) }
    }

    /// Reads a file that has changed, the first that is there; whether the networks may be others now.
    mutating func refresh(_ now: Milliseconds) -> Bool {
        var changed = false
        let isDue = nextTry.map { now >= $0 } ?? false
        for index in files.indices {
            let isOther = files[index].hasChanged()
            guard files[index].isThere else { continue }
            if isOther || isDue { changed = load(files[index], now) || changed }
            return changed
        }
        if isOff, !saidMissing {
            saidMissing = true
            fault = ""
            journal.write(
                .degraded, .warning,
                "defence.countries is off, strangers may come from anywhere: \(state); put a"
                    + " MaxMind database there, or name it in defence.geoip")
        }
        return changed
    }

    private mutating func load(_ file: WatchedFile, _ now: Milliseconds) -> Bool {
        nextTry = nil
        do {
            let fresh = try CountryDatabase(path: try kept(file, now))
            let known = try fresh.networks(of: wanted)
            guard fresh.hasCountries else {
                throw DatabaseFault("it names no country: it is of another kind")
            }
            guard wanted.isEmpty || !known.isEmpty else {
                let names = wanted.sorted().joined(separator: ", ")
                throw DatabaseFault("it has no network of \(names)")
            }
            networks = known
            database = fresh
            replaceCopy()
            fault = ""
            journal.write(
                .listLoaded, .info,
                "country database \(file.path): \(networks.count) networks are let in",
                [(.file, file.path), (.count, "\(networks.count)")])
            return true
        } catch {
            removeDraft()
            refuse(file, (error as? DatabaseFault)?.message ?? "\(error)")
            return false
        }
    }

    private mutating func refuse(_ file: WatchedFile, _ why: String) {
        let before = fault
        fault = "country database \(file.path) cannot be used (\(why))"
        let rest =
            switch (database == nil, isOff) {
            case (_, true): "strangers may come from anywhere"
            case (true, false): "addresses have no country"
            case (false, false): "the one before stays in force"
            }
        guard fault != before else { return }
        journal.write(.degraded, .warning, "\(fault): \(rest)", [(.file, file.path)])
    }

    /// The path of a copy of the file, or its own without a folder to keep it in.
    ///
    /// Without room for a new copy the one of before does, and the file is tried again.
    private mutating func kept(
        _ file: WatchedFile, _ now: Milliseconds
    ) throws(SystemError) -> String {
        guard let folder else { return file.path }
        let bytes = try file.bytes(limit: Self.longest)
        do {
            let flags = O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC
            removeDraft()
            let raw = unsafe openat(folder.raw, Self.fresh, flags, 0o600)
            let copy = Descriptor(
                owning: try SystemError.check(raw < 0 ? -errno : raw, "open \(Self.fresh)"))
            try writeAll(bytes, to: copy, Self.fresh)
            return "/proc/self/fd/\(folder.raw)/\(Self.fresh)"
        } catch {
            nextTry = now + Self.retryAfter
            removeDraft()
            guard database == nil, unsafe faccessat(folder.raw, Self.copy, R_OK, 0) == 0 else {
                throw error
            }
            journal.write(
                .degraded, .warning,
                "country database \(file.path) cannot be copied (\(error)): the copy of before is"
                    + " used, and the file is tried again each minute", [(.file, file.path)])
            return "/proc/self/fd/\(folder.raw)/\(Self.copy)"
        }
    }

    /// Gives back the room of a copy that is not used.
    private func removeDraft() {
        if let folder { _ = unsafe unlinkat(folder.raw, Self.fresh, 0) }
    }

    private func replaceCopy() {
        guard let folder else { return }
        _ = unsafe renameat(folder.raw, Self.fresh, folder.raw, Self.copy)
    }
}
