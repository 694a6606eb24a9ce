// What of the file system accounts-reader keeps in reach when it confines itself.
internal import Glibc
internal import Privsep
internal import Sys

/// The folder that the declared source lies in: the file may be replaced, and has others beside it.
///
/// For a DSN it is the network, and what unixODBC, its drivers and the C library's name services read.
///
/// A confinement cannot be widened. Where the source lies in another folder later, or is of another kind,
/// the process has to begin anew.
struct Reach: Equatable {
    /// Whether the source is reached by sockets.
    let connects: Bool
    private let folder: String?
    /// Which folder it is; nil when there is none.
    private let identity: FileStamp?

    /// What the source of these settings needs now.
    init(_ settings: AccountSettings) {
        connects = settings.dataSource != nil
        folder = settings.path.map(Self.folder(of:))
        identity = folder.flatMap { FileStamp($0) }
    }

    /// What is to stay in reach of the file system.
    var paths: [Confinement.Path] {
        if connects { return Self.ofDrivers.map { .reading($0) } }
        return folder.map { [.reading($0)] } ?? []
    }

    /// The DSN and its driver, what drivers load and read, and where names of hosts are looked up.
    private static let ofDrivers = [
        "/etc/odbc.ini", "/etc/odbcinst.ini", "/etc/ODBCDataSources",
        "/lib", "/lib64", "/usr/lib", "/usr/lib64", "/usr/local/lib", "/etc/ld.so.cache",
        "/etc/ssl", "/etc/krb5.conf", "/usr/share/zoneinfo", "/etc/passwd", "/etc/hosts",
        "/etc/host.conf", "/etc/nsswitch.conf", "/etc/resolv.conf", "/run/systemd/resolve",
        "/etc/gai.conf", "/etc/services",
    ]

    /// Whether it is the same folder, whatever has changed in it.
    static func == (a: Reach, b: Reach) -> Bool {
        guard a.connects == b.connects, a.folder == b.folder else { return false }
        switch (a.identity, b.identity) {
        case (let one?, let other?): return one.isSameFile(other)
        case (nil, nil): return true
        default: return false
        }
    }

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
