internal import ArgumentParser
internal import Glibc
internal import Messages
internal import Settings
internal import Sys

/// Where the things are that a backup has.
struct KeptPlaces: ParsableArguments {
    @Option(
        help: ArgumentHelp("The folder of the settings.", valueName: "folder"),
        completion: .directory)
    var settingsFolder = Standard.settingsFolder
    @Option(
        help: ArgumentHelp(
            "The folder where bindings, bans and keys are kept.", valueName: "folder"),
        completion: .directory)
    var state = Standard.state
    @OptionGroup var daemon: DaemonOptions

    /// Throws when settings and state lie in one another: the state would be settings too.
    func refuseNested() throws(BackupFault) {
        let (settings, kept) = (Files.resolved(settingsFolder), Files.resolved(state))
        guard Files.isWithin(settings, kept) || Files.isWithin(kept, settings) else { return }
        throw BackupFault(
            "\(settingsFolder) and \(state) lie in one another: settings and state need a folder each,"
                + " named with --settings-folder and --state")
    }
}

/// `rempart backup`: settings and state in one file.
struct Backup: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Write settings and state into one file.",
        discussion: """
            The file has all of the settings' folder, private keys there among it, and the bindings, bans and token \
            keys. So it has secrets: only its owner may read it (mode 0600). Keep it so, and carry it only where \
            nobody else reads it. What the settings name elsewhere is not in it, and is named: the account \
            database is Asterisk's, certificates of certbot are certbot's. Nor are your additions below \
            /etc/systemd and /etc/sysusers.d.

            It may be made while Rempart runs, and then has what was so within the last second. It is a tar archive. \
            The command names what cannot be in it: sockets and pipes, files with a second name, and state of a \
            newer version. Nor can names and links that are too long or no UTF-8.
            """)

    @Argument(help: "The file to write; there must be none of that name.", completion: .file())
    var file: String
    @OptionGroup var places: KeptPlaces

    func run() throws {
        do throws(BackupFault) {
            let told = try BackupWriter.write(file, places)
            for line in told { complain("rempart: \(line.terminalSafe)") }
        } catch {
            throw failure(error.message)
        }
        print(
            "\(file.terminalSafe) has settings and state; it holds secrets, and is for its owner alone."
        )
    }
}

/// Why a backup is not made or not restored: what is wrong, and what to do.
struct BackupFault: Error, Equatable {
    /// One line for the administrator.
    let message: String

    /// A fault in these words.
    init(_ message: String) { self.message = message }

    /// A system call that failed.
    init(_ error: SystemError) {
        let isForRoot = error.code == EACCES || error.code == EPERM
        self.init(error.description + (isForRoot ? ": do it as root (sudo)" : ""))
    }

    /// What a body throws, as such a fault.
    static func mapping<Value>(
        _ body: () throws(SystemError) -> Value
    ) throws(BackupFault) -> Value {
        do throws(SystemError) { return try body() } catch { throw BackupFault(error) }
    }
}

/// What a backup is made of.
enum BackupForm {
    /// The first member: a head line with the form's number, then `version` and the product's.
    static let manifest = "rempart-backup"
    /// The form that is written, and the newest that is read.
    static let number = 1
    /// The folder of the settings in the archive.
    static let settings = "settings"
    /// The folder of the state in the archive.
    static let state = "state"
    /// The folder in which `restore` keeps what it replaces; further ones have a number behind a dot.
    static let aside = "before-restore"
    /// Where `restore` lays everything before it takes the place of what is there.
    static let staging = ".restoring"

    /// Whether `restore` has put this folder aside: `before-restore`, or with a number behind a dot.
    static func isAside(_ name: String) -> Bool {
        guard name != aside else { return true }
        let number = name.dropFirst(aside.count + 1)
        return name.hasPrefix(aside + ".") && !number.isEmpty
            && number.utf8.allSatisfy { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }
    }

    /// The files of the state that may be in it, with their owners.
    ///
    /// A WAL lies beside the bindings of a Rempart that was killed.
    static let stateFiles: [(path: String, file: StateFile)] =
        StateFile.allCases.map { ($0.path, $0) } + [(StateFile.bindings.path + "-wal", .bindings)]

    /// The folders of the state, with whose they are.
    static let stateFolders: [(path: String, owner: Role)] = StateFile.allCases.compactMap { file in
        file.path.lastIndex(of: "/").map { (String(file.path[..<$0]), file.owner) }
    }

    /// The text of the manifest.
    static var manifestText: String { "rempart backup \(number)\nversion \(productVersion)\n" }

    /// The format that the first bytes of a file of the state tell; nil when they tell none.
    static func format(of file: StateFile, _ bytes: [UInt8]) -> (format: Int64, writer: String)? {
        guard file.head == nil else {
            let line = bytes.prefix { $0 != UInt8(ascii: "\n") }
            return file.headline(Array(line).span)
        }
        // SQLite's file format, section 1.3: the user version is a number of four bytes at offset 60.
        guard bytes.count >= 64, bytes.starts(with: "SQLite format 3\u{0}".utf8) else { return nil }
        return (bytes[60..<64].reduce(Int64(0)) { $0 << 8 | Int64($1) }, "")
    }
}
