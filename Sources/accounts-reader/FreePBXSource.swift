// FreePBX's or Issabel's database as the source of the accounts: its file says where it is and as whom it is asked.
internal import Glibc
internal import Messages
internal import Sys

/// Why FreePBX's file leads to no database: what is wrong, and what to do.
struct FreePBXFault: Error {
    let words: String
    /// Whether this process may not read the file.
    var isForbidden = false
}

/// The accounts of FreePBX's database server.
///
/// The file is looked at each second. While it cannot be read, the login that was read before serves.
final class FreePBXSource: AccountSource {
    private let settings: AccountSettings
    private let path: String
    /// The file that was looked at last; nil when there was none.
    private var stamp: FileStamp?
    private var login: ServerLogin?
    private var server: AccountServer?
    private var fault: String?
    /// Whether another file lies there, which this process cannot reach: another one has to be begun.
    private var isReplaced = false
    /// What was told last.
    private var told: SourceState?

    /// The database that the file at a path leads to; nothing is read before the first `tick`.
    init(_ settings: AccountSettings, path: String) {
        self.settings = settings
        self.path = path
    }

    var state: SourceState? {
        if let fault, server == nil { return .down(why: fault, source: settings.url) }
        return server?.state
    }

    var isStale: Bool { isReplaced }

    var failing: String? { server?.failing }

    var lack: String? { server?.lack }

    var unread: [String] {
        guard let fault, server != nil, !isReplaced else { return [] }
        return ["\(fault). What was read of it before serves until then"]
    }

    func drainEvents() -> [AccountEvent] {
        // Whether it can be read is told with the file.
        let events = (server?.drainEvents() ?? []).filter {
            if case .source = $0 { false } else { true }
        }
        guard let state, state != told else { return events }
        told = state
        return [.source(state)] + events
    }

    func tick(_ now: Milliseconds) {
        look()
        server?.tick(now)
    }

    func lookUp(
        _ queries: [AccountQuery], within span: Milliseconds?, now: Milliseconds, steps: TraceSteps?
    ) -> [ReadAccount] {
        server?.lookUp(queries, within: span, now: now, steps: steps)
            ?? queries.map { _ in .unavailable }
    }

    func names(after name: String, limit: Int, now: Milliseconds) -> [String]? {
        server?.names(after: name, limit: limit, now: now)
    }

    // MARK: The file

    private func look() {
        let found = FileStamp(path)
        // Of a file that is not there nothing says that it has come.
        guard found == nil || found != stamp else { return }
        do throws(FreePBXFault) {
            let login = try read(found)
            (fault, isReplaced) = (nil, false)
            if login != self.login {
                server = AccountServer(settings, login)
                self.login = login
            }
        } catch {
            fault = error.words
            // The confinement hides another file. What the file's rights forbid they forbid to a successor too.
            if error.isForbidden, let found, stamp?.isSameFile(found) != true,
                unsafe access(path, R_OK) == 0
            {
                isReplaced = true
                fault =
                    "\(path) is another file than at the start: accounts-reader begins anew to read it"
            }
        }
        if let found { stamp = found }
    }

    private func read(_ found: FileStamp?) throws(FreePBXFault) -> ServerLogin {
        guard let found else { throw unreadable(errno) }
        guard found.isRegular else {
            throw FreePBXFault(words: "\(path) is no file: name FreePBX's own in accounts.source")
        }
        let login: ServerLogin
        do throws(SystemError) {
            let driver = ServerLogin.mariaDBDriver(in: (try? Self.bytes(of: Self.driverFile)) ?? [])
            let file = FreePBXFile(try Self.bytes(of: path))
            login = file.login(settings, path, driver: driver)
        } catch {
            throw unreadable(error.code)
        }
        if let fault = login.fault { throw FreePBXFault(words: fault) }
        return login
    }

    /// Where unixODBC has the names of its drivers.
    private static let driverFile = "/etc/odbcinst.ini"

    private static func bytes(of path: String) throws(SystemError) -> [UInt8] {
        // A pipe makes nobody wait.
        let raw = unsafe open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
        guard raw >= 0 else { throw SystemError("open \(path)", code: errno) }
        let file = Descriptor(owning: raw)
        return try file.bytes(limit: FreePBXFile.longest, path)
    }

    private func unreadable(_ code: Int32) -> FreePBXFault {
        let words =
            switch code {
            case ENOENT:
                "there is no \(path): name FreePBX's own file in accounts.source, or write one with"
                    + " \(FreePBXFile.Key.host.rawValue)= and the address of its database server"
            case EFBIG:
                "\(path) is longer than \(FreePBXFile.longest) bytes: name FreePBX's own file in accounts.source"
            default: DatabaseRights.unreadable(path, code)
            }
        return FreePBXFault(words: words, isForbidden: code == EACCES)
    }
}

extension ServerLogin {
    /// What odbcinst.ini calls the driver of MariaDB: as Debian does, or as the first section does that has its library.
    ///
    /// Guides to FreePBX write a file of their own in place of Debian's.
    static func mariaDBDriver(in file: [UInt8]) -> String {
        let isBlank: (UInt8) -> Bool = { $0 == 0x20 || $0 == 0x09 || $0 == 0x0D }
        var section = ""
        var found: String?
        for line in file.split(separator: 0x0A) {
            let line = Array(line.filter { !isBlank($0) || $0 == 0x20 }.drop(while: isBlank)).text
            if line.hasPrefix("[") {
                section = String(line.dropFirst().prefix { $0 != "]" })
                if section == mariaDB { return section }
            } else if line.lowercased().hasPrefix("driver"), line.contains("libmaodbc"),
                isPlain(section)
            {
                found = found ?? section
            }
        }
        return found ?? mariaDB
    }
}

extension AccountSettings {
    /// The path of FreePBX's file, or nil when the URL is not `freepbx:///path`.
    var freePBXFile: String? { path(of: "freepbx://") }
}

extension FreePBXFile {
    /// The way to the database, as these settings want it to be asked by a driver; what is wrong with it stands in its
    /// `fault`.
    func login(_ settings: AccountSettings, _ path: String, driver: String) -> ServerLogin {
        let server = ServerLogin.serverParts(
            host: bytes(.host), port: bytes(.port), socket: bytes(.socket))
        var login = ServerLogin(
            name: settings.url, placeOfLogin: path,
            parts: ["DRIVER={\(driver)}"] + server
                + ServerLogin.part("DATABASE", bytes(.database), "asterisk"),
            user: bytes(.user).text, password: bytes(.password))
        login = settings.withOwnLogin(login)
        login.fault = fault(path, hasOwnLogin: !settings.user.isEmpty) ?? login.fault
        return login
    }

    private func bytes(_ key: Key) -> [UInt8] {
        if case .text(let bytes)? = values[key] { bytes } else { [] }
    }

    private func fault(_ path: String, hasOwnLogin: Bool) -> String? {
        let remedy = "give Rempart a login of its own in accounts.user and accounts.secret-file"
        if let unreadFrom {
            return
                "\(path):\(unreadFrom): a text of PHP's (<<<) begins, behind which nothing is read: take it"
                + " out"
        }
        for key in Key.allCases where !(hasOwnLogin && [.user, .password].contains(key)) {
            guard case .computed(let line)? = values[key] else { continue }
            return
                "\(path):\(line): \(key.rawValue) is no plain text in quotes, and no PHP is run: write"
                + " one"
                + ([.user, .password].contains(key) ? ", or \(remedy)" : "")
        }
        let engine = bytes(.engine).text
        guard ["", "mysql", "mysqli"].contains(engine.lowercased()) else {
            return
                "\(path): \(Key.engine.rawValue) is not mysql: no other database of FreePBX's is read"
        }
        let port = bytes(.port).text
        guard port.isEmpty || UInt16(port).map({ $0 > 0 }) == true else {
            return "\(path): \(Key.port.rawValue) is no port: it is a number from 1 to 65535"
        }
        guard hasOwnLogin || !bytes(.user).isEmpty else {
            return
                "\(path) has no \(Key.user.rawValue): name FreePBX's own file in accounts.source, or"
                + " \(remedy)"
        }
        return nil
    }
}
