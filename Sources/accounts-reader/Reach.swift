// What of the file system accounts-reader keeps in reach when it confines itself.
internal import AsteriskFiles
internal import Glibc
internal import Messages
internal import Privsep
internal import Sys

/// The folder that the declared source lies in: the file may be replaced, and has others beside it.
///
/// Of Asterisk's own files it is their folder, and what Realtime needs beside them. Where that is says extconfig.conf,
/// which is read before the confinement and again when nothing can be read. For a server it is the network, and what
/// unixODBC, its drivers, libcurl and the C library's name services read. For FreePBX it is its file too.
///
/// A confinement cannot be widened. Where the source lies in another folder later, or is of another kind,
/// the process has to begin anew.
struct Reach: Equatable {
    private struct Folder: Equatable {
        let path: String
        /// Which folder it is; nil when there is none.
        let identity: FileStamp?

        init(_ path: String) {
            self.path = path
            identity = FileStamp(path)
        }

        /// Whether it is the same folder, whatever has changed in it.
        static func == (a: Folder, b: Folder) -> Bool {
            guard a.path == b.path else { return false }
            switch (a.identity, b.identity) {
            case (let one?, let other?): return one.isSameFile(other)
            case (nil, nil): return true
            default: return false
            }
        }
    }

    /// Whether the source is reached by sockets.
    let connects: Bool
    private let folders: [Folder]
    /// What a driver reads, each of which may be replaced by another file of its name.
    private let ofServers: [Folder]
    /// Whether Asterisk's files could be read, if it needs them: else what they lead to is not known.
    private let isWhole: Bool

    /// What the source of these settings needs now.
    init(_ settings: AccountSettings) {
        let read = settings.folder.map { Self.places(beside: $0, settings.schema) } ?? []
        isWhole = read != nil
        let places = read ?? []
        let databases =
            places.compactMap { if case .sqlite(let path, _) = $0 { path } else { nil } }
            + [settings.path].compactMap(\.self)
        let hasServer = places.contains { if case .server = $0 { true } else { false } }
        let file = settings.freePBXFile
        connects =
            settings.server != nil || settings.asterisks != nil || hasServer || file != nil
        ofServers = connects ? Self.pathsOfServers.map(Folder.init) : []
        // Who writes Asterisk's files is not to have all files read.
        let ofDatabases = databases.map(Self.folder).filter { $0 != "/" }
        // Of /etc, where FreePBX's file lies, that file alone.
        folders = ([settings.folder, file].compactMap(\.self) + ofDatabases).map(Folder.init)
    }

    /// What is to stay in reach of the file system.
    var paths: [Confinement.Path] {
        (folders + ofServers).map { .reading($0.path) }
    }

    /// Whether the process needs something else than at its start, as far as that is known.
    func isNews(beside old: Reach) -> Bool {
        guard !isWhole else { return self != old }
        // Another folder in the place of Asterisk's, as behind a link that leads elsewhere now, is out of reach.
        guard let folder = folders.first, folder.identity != nil else { return false }
        return folder != old.folders.first
    }

    /// Where Realtime has accounts beside Asterisk's files; nil while these cannot be read.
    private static func places(
        beside folder: String, _ schema: AccountSchema
    ) -> [RealtimePlace]? {
        guard let files = try? AsteriskConfiguration(folder: folder, drivers: []) else {
            return nil
        }
        return FileAccounts.drivers(schema).map(files.realtimePlace)
    }

    /// The DSN and its driver, what drivers load and read, the certificates that are trusted (of Debian, and of others),
    /// and where names of hosts are looked up.
    private static let pathsOfServers = [
        "/etc/odbc.ini", "/etc/odbcinst.ini", "/etc/ODBCDataSources",
        "/lib", "/lib64", "/usr/lib", "/usr/lib64", "/usr/local/lib", "/etc/ld.so.cache",
        "/etc/ssl", "/usr/share/ca-certificates", "/usr/local/share/ca-certificates", "/etc/pki",
        "/usr/share/pki", "/etc/krb5.conf", "/usr/share/zoneinfo", "/etc/passwd", "/etc/hosts",
        "/etc/host.conf", "/etc/nsswitch.conf", "/etc/resolv.conf", "/run/systemd/resolve",
        "/etc/gai.conf", "/etc/services",
    ]

    /// The folder in which a file lies, or where a link to it leads.
    private static func folder(of path: String) -> String {
        let resolved = unsafe realpath(path, nil)
        defer { unsafe free(resolved) }
        // The C string is whole until it is freed.
        let file = unsafe resolved.map { unsafe String(cString: $0) } ?? path
        let slash = file.lastIndex(of: "/") ?? file.startIndex
        return slash == file.startIndex ? "/" : String(file[..<slash])
    }
}
