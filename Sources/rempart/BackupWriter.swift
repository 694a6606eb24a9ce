internal import Glibc
internal import Messages
internal import Settings
internal import Sys

/// Writes a backup, member after member.
struct BackupWriter {
    private let output: Descriptor
    private let path: String
    /// What the administrator is to know of it.
    private var told: [String] = []

    /// Writes a backup to a new file, which is removed again when that fails; what is to be known of it.
    static func write(_ path: String, _ places: KeptPlaces) throws(BackupFault) -> [String] {
        try places.refuseNested()
        try refuseWithin(path, places)
        if FileStatus(path) != nil {
            throw BackupFault("\(path) is there already: name another file, or remove it first")
        }
        let copied = try copyBindings(places)
        // Where root may not write in directory's folder, as in a container, directory removes it later.
        defer { if copied { _ = unsafe unlink("\(places.state)/\(StateFile.bindingsCopy)") } }
        let output = try BackupFault.mapping { () throws(SystemError) in try Files.make(path) }
        var writer = BackupWriter(output: output, path: path)
        do throws(BackupFault) {
            if copied { try writer.warnOfMemory(places) }
            try writer.writeAll(places, isRunning: copied)
            if !copied { try refuseUse(places) }
        } catch {
            _ = unsafe unlink(path)
            throw error
        }
        return writer.told
    }

    private init(output: Descriptor, path: String) {
        self.output = output
        self.path = path
    }

    /// A backup inside what it is of would be in the next one.
    private static func refuseWithin(_ path: String, _ places: KeptPlaces) throws(BackupFault) {
        for place in [places.settingsFolder, places.state]
        where Files.isWithin(Files.resolved(path), Files.resolved(place)) {
            throw BackupFault(
                "\(path) lies in \(place), which the backup is of: name a file elsewhere")
        }
    }

    /// Has a running directory lay a copy of its bindings; false when none runs, and the file itself is at rest.
    private static func copyBindings(_ places: KeptPlaces) throws(BackupFault) -> Bool {
        let client = ControlClient(runtime: places.daemon.runtime)
        do throws(ControlError) {
            _ = try client.ask(.copyBindings)
            return true
        } catch {
            switch error {
            case .noSocket, .notRunning: break
            default: throw BackupFault(error.description)
            }
        }
        try refuseUse(places)
        return false
    }

    /// Throws when a Rempart that was not asked uses the state.
    private static func refuseUse(_ places: KeptPlaces) throws(BackupFault) {
        guard Files.isLocked("\(places.state)/\(StateFile.bindings.path)") else { return }
        throw BackupFault(
            "a running Rempart uses \(places.state), and did not answer in \(places.daemon.runtime): name its"
                + " runtime folder with --runtime. If it was started just now, try again")
    }

    /// Tells when what directory has copied is not what its file holds, as beside a file of a newer version.
    private mutating func warnOfMemory(_ places: KeptPlaces) throws(BackupFault) {
        let rows: [ControlReply]
        do throws(ControlError) {
            rows = try ControlClient(runtime: places.daemon.runtime).ask(.status)
        } catch {
            throw BackupFault(error.description)
        }
        for case .condition(.directory, let condition) in rows where condition.kind == .state {
            told.append(
                "the bindings in it are those in memory, not those of the file: \(condition.text)")
        }
    }

    // MARK: What is in it

    private mutating func writeAll(
        _ places: KeptPlaces, isRunning: Bool
    ) throws(BackupFault) {
        let text = Array(BackupForm.manifestText.utf8)
        let now = Clock.sinceEpoch.seconds
        try add(
            TarHeader(
                path: BackupForm.manifest, kind: .file(length: text.count), mode: 0o600,
                user: "root", group: "root", modified: now))
        try append(text + Self.padding(text.count))
        // First: directory removes its copy after a while.
        try addState(places.state, isRunning: isRunning)
        try addSettings(places.settingsFolder)
        // Two empty headers end an archive.
        try append([UInt8](repeating: 0, count: 2 * TarHeader.length))
        guard fsync(output.raw) == 0 else {
            throw BackupFault(SystemError("write \(path)", code: errno))
        }
    }

    private mutating func addSettings(_ folder: String) throws(BackupFault) {
        guard let status = FileStatus(folder), status.isFolder else {
            throw BackupFault(
                "there is no folder \(folder): name that of the settings with --settings-folder")
        }
        try addTree(folder, as: BackupForm.settings, status, within: Files.resolved(folder))
        warnOfOthers(folder)
    }

    private mutating func addTree(
        _ source: String, as name: String, _ status: FileStatus, within settings: String
    ) throws(BackupFault) {
        try add(Self.header(name, .folder, status))
        let names = try BackupFault.mapping { () throws(SystemError) in try Files.names(in: source)
        }
        for each in names {
            let (place, member) = ("\(source)/\(each)", "\(name)/\(each)")
            let isOfRestore = BackupForm.isAside(each) || each == BackupForm.staging
            if name == BackupForm.settings, isOfRestore {
                told.append("not in it: \(place), which rempart restore has made")
                continue
            }
            guard let status = FileStatus(place) else {
                told.append("not in it: \(place), whose name is no UTF-8, or which has just gone")
                continue
            }
            var kind = status.isFolder ? TarHeader.Kind.folder : .file(length: status.length)
            if status.isLink {
                kind = .link(
                    try BackupFault.mapping { () throws(SystemError) in try Files.target(of: place)
                    })
            }
            guard let header = Self.header(member, kind, status).encoded() else {
                told.append(
                    "not in it: \(place), whose name, target or owner is too long for a backup")
                continue
            }
            switch kind {
            case .folder: try addTree(place, as: member, status, within: settings)
            case .link:
                try append(header)
                warnOfTarget(place, within: settings)
            case .file: try addFile(place, as: member)
            }
        }
    }

    /// Names what a link leads to, which the backup lacks, as the files of certbot.
    private mutating func warnOfTarget(_ link: String, within settings: String) {
        let target = Files.resolved(link)
        guard !Files.isWithin(target, settings) else { return }
        told.append("not in it: \(target), to which \(link) leads")
    }

    /// Names what the settings use and the backup lacks.
    private mutating func warnOfOthers(_ folder: String) {
        guard let bytes = try? readFile("\(folder)/rempart.yaml", limit: SettingsFile.maximumLength)
        else { return }
        for value in SettingsFile(bytes).values {
            guard let named = value.setting.namedFile else { continue }
            if !named.hasPrefix(folder + "/") { told.append("not in it: \(named) (\(value.path))") }
        }
    }

    private mutating func addState(_ folder: String, isRunning: Bool) throws(BackupFault) {
        guard let status = FileStatus(folder), status.isFolder else {
            throw BackupFault("there is no folder \(folder): name that of the state with --state")
        }
        try add(Self.header(BackupForm.state, .folder, status))
        for (path, _) in BackupForm.stateFolders {
            guard let status = FileStatus("\(folder)/\(path)"), status.isFolder else { continue }
            try add(Self.header("\(BackupForm.state)/\(path)", .folder, status))
        }
        for (path, file) in BackupForm.stateFiles {
            var place = "\(folder)/\(path)"
            if isRunning, file == .bindings {
                guard path == file.path else { continue }
                place = "\(folder)/\(StateFile.bindingsCopy)"
                guard FileStatus(place) != nil else {
                    throw BackupFault(
                        "the running Rempart keeps its state elsewhere than in \(folder): name that folder"
                            + " with --state")
                }
            }
            guard FileStatus(place) != nil else { continue }
            try addFile(
                place, as: "\(BackupForm.state)/\(path)", of: path == file.path ? file : nil)
        }
    }

    // MARK: Members

    /// Adds a file; one of the state only when this version knows its format.
    private mutating func addFile(
        _ place: String, as name: String, of file: StateFile? = nil
    ) throws(BackupFault) {
        // Before it is opened, which a socket refuses, and after: it may be another one by then.
        let before = FileStatus(place)
        guard before?.isFile != false || before?.isLink == true else { return warnOfKind(place) }
        let source: Descriptor
        let status: FileStatus
        do throws(SystemError) {
            source = try Files.open(place)
            status = try FileStatus(source)
        } catch {
            throw BackupFault(error)
        }
        guard status.isPlain else { return warnOfKind(place) }
        var length = status.length
        if let file {
            let found = BackupForm.format(of: file, try Self.bytes(of: source, 0, 256, place))
            if let found, found.format > file.format {
                told.append("not in it: " + file.refusal(of: found.format, writer: found.writer))
                return
            }
            if file == .bans { length = try Self.wholeLines(of: source, length, place) }
        }
        try add(Self.header(name, .file(length: length), status))
        var at = 0
        while at < length {
            let part = try Self.bytes(of: source, at, min(length - at, 1 << 18), place)
            guard !part.isEmpty else {
                throw BackupFault("\(place) became shorter while it was read: try again")
            }
            try append(part)
            at += part.count
        }
        try append(Self.padding(length))
    }

    private mutating func warnOfKind(_ place: String) {
        told.append("not in it: \(place), which is no plain file, or has a second name")
    }

    /// How long a file of lines is without a last one that is being added.
    private static func wholeLines(
        of file: Descriptor, _ length: Int, _ name: String
    ) throws(BackupFault) -> Int {
        let start = max(length - 8192, 0)
        let tail = try bytes(of: file, start, length - start, name)
        return tail.lastIndex(of: UInt8(ascii: "\n")).map { start + $0 + 1 } ?? length
    }

    private static func bytes(
        of file: Descriptor, _ start: Int, _ count: Int, _ name: String
    ) throws(BackupFault) -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: count)
        // In bounds: the array's own storage and length.
        let read = unsafe bytes.withUnsafeMutableBytes { buffer in
            unsafe pread(file.raw, buffer.baseAddress, buffer.count, off_t(start))
        }
        guard read >= 0 else { throw BackupFault(SystemError("read \(name)", code: errno)) }
        return Array(bytes[..<read])
    }

    private static func header(
        _ path: String, _ kind: TarHeader.Kind, _ status: FileStatus
    ) -> TarHeader {
        TarHeader(
            path: path, kind: kind, mode: status.mode, user: status.user, group: status.group,
            modified: status.modified)
    }

    private func add(_ header: TarHeader) throws(BackupFault) {
        guard let bytes = header.encoded() else {
            throw BackupFault(
                "\(header.path) or its owner has too long a name for a backup: rename it")
        }
        try append(bytes)
    }

    private static func padding(_ length: Int) -> [UInt8] {
        [UInt8](repeating: 0, count: TarHeader.padded(length) - length)
    }

    private func append(_ bytes: [UInt8]) throws(BackupFault) {
        guard rempart.write(output.raw, bytes) else {
            throw BackupFault(SystemError("write \(path)", code: errno))
        }
    }
}
