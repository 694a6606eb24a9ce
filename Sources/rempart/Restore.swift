internal import ArgumentParser
internal import Glibc
internal import Messages
internal import Settings
internal import Sys

/// `rempart restore`: puts settings and state of a backup in the place of those that are there.
struct Restore: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Put back the settings and the state of a backup, while Rempart is stopped.",
        discussion: """
            Stop Rempart first: `systemctl stop rempart.socket rempart`. The whole backup is read and checked before \
            anything is changed; one of a newer version is refused. What was there is kept in a folder \
            before-restore beside what takes its place. Owners are found by name, since another machine has other \
            numbers: the users of Rempart must be there. Look at the settings with `rempart check` before the start, \
            above all on a machine with other addresses.
            """)

    @Argument(help: "A file that `rempart backup` has written.", completion: .file())
    var file: String
    @OptionGroup var places: KeptPlaces

    func run() throws {
        do throws(BackupFault) {
            var restoring = try Restoring(file, places)
            try restoring.check()
            try restoring.stage()
            for line in try restoring.swap() { print(line.terminalSafe) }
        } catch {
            throw failure(error.message)
        }
        print(
            "Settings and state are those of \(file.terminalSafe). Look at them with `rempart check`, then: systemctl start rempart"
        )
    }
}

/// A backup on its way back: checked, laid beside what is there, and then put in its place.
struct Restoring {
    private var reader: BackupReader
    private let places: KeptPlaces
    private let givesOwners: Bool
    /// What the archive tells of the folders themselves, by their names there.
    private var folders: [String: TarHeader] = [:]

    /// Opens a backup; refuses while Rempart runs.
    ///
    /// Without `givesOwners` all is the caller's.
    init(
        _ file: String, _ places: KeptPlaces, givesOwners: Bool = geteuid() == 0
    ) throws(BackupFault) {
        try places.refuseNested()
        self.places = places
        self.givesOwners = givesOwners
        try Self.refuseRunning(places)
        reader = try BackupReader(file)
    }

    private static func refuseRunning(_ places: KeptPlaces) throws(BackupFault) {
        let advice =
            "stop it first (systemctl stop rempart.socket rempart), restore, and start it again"
        do throws(ControlError) {
            _ = try ControlClient(runtime: places.daemon.runtime).ask(.status)
        } catch {
            switch error {
            case .noSocket, .notRunning:
                guard Files.isLocked("\(places.state)/\(StateFile.bindings.path)") else { return }
                throw BackupFault("a running Rempart uses \(places.state): \(advice)")
            case .notPermitted: throw BackupFault(error.description)
            default: break
            }
        }
        throw BackupFault("Rempart is running: \(advice)")
    }

    // MARK: Before anything is changed

    /// Reads all of the backup; throws when any of it cannot be put back here.
    mutating func check() throws(BackupFault) {
        var found: Set<String> = []
        let givesOwners = givesOwners
        try reader.forEach { header, content throws(BackupFault) in
            found.insert(header.path)
            if givesOwners { _ = try Self.owner(of: header) }
            let file = BackupForm.stateFiles.first {
                "\(BackupForm.state)/\($0.path)" == header.path
            }
            guard let file, file.path == file.file.path else { return }
            var start: [UInt8] = []
            try content { part throws(BackupFault) in
                if start.count < 256 { start += part.prefix(256) }
            }
            guard let told = BackupForm.format(of: file.file, start), told.format > file.file.format
            else { return }
            throw BackupFault(
                file.file.refusal(of: told.format, writer: told.writer) + ": nothing was changed")
        }
        guard found.isSuperset(of: [BackupForm.settings, BackupForm.state]) else {
            throw BackupFault("the backup lacks settings or state: nothing was changed")
        }
    }

    /// The owner of a member here: of the state the component's user, of the settings the owner
    /// there.
    private static func owner(of header: TarHeader) throws(BackupFault) -> (uid_t, gid_t) {
        let rest = header.path.dropFirst(BackupForm.state.count + 1)
        if header.path == BackupForm.state { return (0, 0) }
        if header.path.hasPrefix(BackupForm.state + "/") {
            let file = BackupForm.stateFiles.first { $0.path == rest }?.file.owner
            let folder = BackupForm.stateFolders.first { $0.path == rest }?.owner
            let user = (file ?? folder ?? .supervisor).user
            guard let entry = unsafe getpwnam(user) else {
                throw BackupFault(
                    "there is no user \(user) here: install Rempart first (systemd-sysusers makes its users)"
                )
            }
            return unsafe (entry.pointee.pw_uid, entry.pointee.pw_gid)
        }
        let named = unsafe getpwnam(header.user)?.pointee.pw_uid
        guard let uid = uid_t(header.user) ?? named else {
            throw BackupFault(
                "there is no user \(header.user) here, who owns \(header.path): make it first")
        }
        let group = unsafe getgrnam(header.group)?.pointee.gr_gid
        guard let gid = gid_t(header.group) ?? group else {
            throw BackupFault(
                "there is no group \(header.group) here, which has \(header.path): make it first")
        }
        return (uid, gid)
    }

    /// The folders that are replaced, with what they are called in the archive.
    private var targets: [(name: String, folder: String)] {
        [(BackupForm.state, places.state), (BackupForm.settings, places.settingsFolder)]
    }

    private static func staging(_ folder: String) -> String { "\(folder)/\(BackupForm.staging)" }

    /// Lays everything beside what is there; a failure leaves nothing behind.
    mutating func stage() throws(BackupFault) {
        let (targets, givesOwners) = (targets, givesOwners)
        do throws(BackupFault) {
            for target in targets {
                try Self.makeFolders(target.folder)
                Files.removeTree(Self.staging(target.folder))
            }
            var laid: [(path: String, header: TarHeader)] = []
            var folders: [String: TarHeader] = [:]
            try reader.forEach { header, content throws(BackupFault) in
                let place = Self.staged(header.path, targets)
                try Self.lay(header, at: place, content)
                if targets.contains(where: { $0.name == header.path }) {
                    folders[header.path] = header
                } else if header.kind == .folder {
                    laid.append((place, header))
                } else if givesOwners {
                    try Self.give(place, to: try Self.owner(of: header))
                }
            }
            // Last: a folder that nobody may write to takes no files. The deepest first. While
            // those above are the caller's alone, nobody else comes by and could put a link in the
            // place of what is next.
            for (path, header) in laid.reversed() {
                try BackupFault.mapping { () throws(SystemError) in try Files.sync(path) }
                _ = unsafe chmod(path, header.mode)
                if givesOwners { try Self.give(path, to: try Self.owner(of: header)) }
            }
            self.folders = folders
        } catch {
            for target in targets { Files.removeTree(Self.staging(target.folder)) }
            throw error
        }
    }

    /// Where a member is laid first.
    private static func staged(
        _ member: String, _ targets: [(name: String, folder: String)]
    ) -> String {
        for target in targets where member == target.name || member.hasPrefix(target.name + "/") {
            return staging(target.folder) + member.dropFirst(target.name.count)
        }
        return member
    }

    private static func makeFolders(_ path: String) throws(BackupFault) {
        if unsafe mkdir(path, 0o755) == 0 || errno == EEXIST { return }
        if errno == ENOENT, let slash = path.lastIndex(of: "/"), slash > path.startIndex {
            try makeFolders(String(path[..<slash]))
            if unsafe mkdir(path, 0o755) == 0 { return }
        }
        throw BackupFault(SystemError("make \(path)", code: errno))
    }

    private static func lay(
        _ header: TarHeader, at place: String,
        _ content: (([UInt8]) throws(BackupFault) -> Void) throws(BackupFault) -> Void
    ) throws(BackupFault) {
        switch header.kind {
        case .folder:
            try BackupFault.mapping { () throws(SystemError) in try Files.makeFolder(place) }
        case .link(let target):
            guard unsafe symlink(target, place) == 0 else {
                throw BackupFault(SystemError("make \(place)", code: errno))
            }
        case .file:
            let file = try BackupFault.mapping { () throws(SystemError) in try Files.make(place) }
            try content { part throws(BackupFault) in
                guard write(file.raw, part) else {
                    throw BackupFault(SystemError("write \(place)", code: errno))
                }
            }
            guard fchmod(file.raw, header.mode) == 0, fsync(file.raw) == 0 else {
                throw BackupFault(SystemError("write \(place)", code: errno))
            }
        }
    }

    private static func give(
        _ place: String, to owner: (uid: uid_t, gid: gid_t)
    ) throws(BackupFault) {
        guard unsafe lchown(place, owner.uid, owner.gid) != 0 else { return }
        throw BackupFault(SystemError("give \(place) to its owner", code: errno))
    }

    // MARK: The change

    /// Moves what is there aside and the staged in its place; returns what is to be told.
    ///
    /// The state comes first, then the settings. What was done is undone when any of it fails.
    mutating func swap() throws(BackupFault) -> [String] {
        // It may have been started meanwhile, by hand or by its socket.
        do throws(BackupFault) {
            try Self.refuseRunning(places)
        } catch {
            for target in targets { Files.removeTree(Self.staging(target.folder)) }
            throw error
        }
        var moves: [(from: String, to: String)] = []
        var told: [String] = []
        do throws(SystemError) {
            for (_, folder) in targets {
                if let aside = try Self.exchange(folder, &moves) {
                    told.append("What was in \(folder) is in \(aside).")
                }
            }
        } catch {
            for move in moves.reversed() { try? Files.move(move.to, move.from) }
            for (_, folder) in targets {
                Files.removeTree(Self.staging(folder))
                // Those of before are not empty, and stay.
                for name in (try? Files.names(in: folder)) ?? [] where BackupForm.isAside(name) {
                    _ = unsafe rmdir("\(folder)/\(name)")
                }
            }
            throw BackupFault("\(error): all is as it was")
        }
        for target in targets {
            Files.removeTree(Self.staging(target.folder))
            if let why = dress(target) { told.append(why) }
        }
        return told
    }

    /// Makes a folder itself as it was backed up, which stays since it may be a mount point; why that failed.
    private func dress(_ target: (name: String, folder: String)) -> String? {
        guard let header = folders[target.name] else { return nil }
        let folder = Files.resolved(target.folder)
        do throws(BackupFault) {
            if givesOwners { try Self.give(folder, to: try Self.owner(of: header)) }
            guard unsafe chmod(folder, header.mode) == 0 else {
                throw BackupFault(SystemError("chmod \(folder)", code: errno))
            }
            try BackupFault.mapping { () throws(SystemError) in try Files.sync(folder) }
            return nil
        } catch {
            return "All is put back, but not what may be done with the folder: \(error.message)"
        }
    }

    /// Where what was in a folder is now; nil when nothing was.
    private static func exchange(
        _ folder: String, _ moves: inout [(from: String, to: String)]
    ) throws(SystemError) -> String? {
        let staged = staging(folder)
        let old = try Files.names(in: folder).filter {
            $0 != BackupForm.staging && !BackupForm.isAside($0)
        }
        var aside: String?
        if !old.isEmpty {
            let place = freeName("\(folder)/\(BackupForm.aside)")
            try Files.makeFolder(place)
            for name in old { try move("\(folder)/\(name)", "\(place)/\(name)", &moves) }
            try Files.sync(place)
            aside = place
        }
        for name in try Files.names(in: staged) {
            try move("\(staged)/\(name)", "\(folder)/\(name)", &moves)
        }
        try Files.sync(folder)
        return aside
    }

    private static func move(
        _ from: String, _ to: String, _ moves: inout [(from: String, to: String)]
    ) throws(SystemError) {
        try Files.move(from, to)
        moves.append((from, to))
    }

    private static func freeName(_ path: String) -> String {
        var number = 2
        var name = path
        while FileStatus(name) != nil {
            name = "\(path).\(number)"
            number += 1
        }
        return name
    }
}
