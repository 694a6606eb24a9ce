internal import Messages
internal import Sys
internal import TemporaryFolder
internal import TestDatabase
internal import Testing

@testable internal import accounts_reader

/// Asterisk's files in a folder of a test, and the source that reads them.
final class AsteriskGround {
    let folder: TemporaryFolder
    let source: AsteriskSource
    let settings: AccountSettings
    private(set) var now = Milliseconds.seconds(1)

    var path: String { folder.path }
    var url: String { "asterisk://\(path)" }

    init(
        _ files: [String: String], _ more: [AccountsReaderSetting] = [], isThere: Bool = true
    ) throws {
        folder = try TemporaryFolder()
        settings = AccountSettings([.source("asterisk://\(folder.path)")] + more)
        source = AsteriskSource(settings, folder: folder.path)
        for (name, text) in files { try write(name, text) }
        second()
    }

    func write(_ name: String, _ text: String) throws {
        try folder.write(name, Array(text.replacing("FOLDER", with: folder.path).utf8))
    }

    /// Another second passes.
    func second() {
        now = now + .seconds(1)
        source.tick(now)
    }

    func read(_ name: String, realm: String = "asterisk", _ steps: TraceSteps? = nil) -> ReadAccount
    {
        let query = AccountQuery(name: name, realm: realm)
        return source.lookUp([query], within: nil, now: now, steps: steps).first ?? .unavailable
    }

    /// The account of a name, with its MD5 for the realm "asterisk".
    func account(_ name: String) throws -> Account {
        guard case .found(let account) = read(name).answer else {
            throw NoAccount(why: "\(name): \(read(name))")
        }
        return account
    }

    struct NoAccount: Error { let why: String }

    /// Whether a name is an account with that digest user and secret.
    func accepts(_ name: String, _ user: String, _ secret: String) throws -> Bool {
        let account = try account(name)
        let hash = HA1.md5(user: user, realm: "asterisk", secret: Array(secret.utf8))
        return account.authUser == user && account.ha1MD5 == hash
    }

    func names(after name: String = "", limit: Int = 100) -> [String]? {
        source.names(after: name, limit: limit, now: now)
    }

    /// What is wrong, without the folder's path: what is not read, then that there is no account.
    var troubles: [String] {
        (source.unread + [source.lack].compactMap(\.self)).map { trouble in
            trouble.replacing(path, with: "FOLDER")
        }
    }
}
