// What accounts-reader has of the settings.
internal import Glibc
internal import Messages
internal import Privsep
internal import Sys

/// Which source has the accounts, and how it is read.
struct AccountSettings: Equatable {
    /// `accounts.source`; empty when the settings name none.
    var url = ""
    /// `accounts.user`; empty: as the DSN has it.
    var user = ""
    /// `accounts.secret-file`; empty: the password is what the DSN has.
    var secretFile = ""
    /// The first line of that file; nil when it was not handed over.
    var secret: [UInt8]?
    /// `accounts.ami`.
    var manager: ServerName?
    /// `accounts.query`; empty: Asterisk's tables are read.
    var query = ""
    /// `accounts.schema`.
    var schema = Setting.accounts.schema.standard
    /// `accounts.realm`.
    var realm = Setting.accounts.realm.standard
    /// `accounts.tables`.
    var tables = TableNames()
    /// `domains`.
    var domains: [String] = []
    /// `accounts.acl-order`, and the addresses of `inside`.
    var access = AccessRules()

    /// The addresses of this machine, asked for once: a reload changes no endpoint, and comes after the confinement.
    private static let ownAddresses = Socket.ownAddresses()

    /// What a start set says.
    init(_ set: StartSet) {
        self.init(set.settings.compactMap(\.told.accountsReader))
        // Who has written it has left it at its end.
        guard let file = set.files[.secret], lseek(file.raw, 0, SEEK_SET) == 0 else { return }
        var bytes = [UInt8](repeating: 0, count: Bounds.longestSecretFile)
        guard case .moved(let count) = Stream.read(file.raw, into: &bytes, at: 0) else { return }
        secret = Array(bytes[..<count].prefix { $0 != 0x0A && $0 != 0x0D })
    }

    /// The settings, without what comes in opened files.
    init(_ settings: [AccountsReaderSetting] = []) {
        for setting in settings {
            switch setting {
            case .source(let url): self.url = url
            case .user(let user): self.user = user
            case .secretFile(let path): secretFile = path
            case .manager(let server): manager = server
            case .query(let query): self.query = query
            case .schema(let schema): self.schema = schema
            case .realm(let realm): self.realm = realm
            case .table(let family, let name): tables[family] = name
            case .domain(let domain): domains.append(domain)
            case .accessOrder(let order): access.order = order
            case .inside(let endpoint):
                access.own += endpoint.isWildcard ? Self.ownAddresses : [endpoint.address.ip]
            }
        }
    }

    /// What to do about an account that can be used from nowhere.
    var remedyOfLists: String {
        if asterisks != nil { return ARIAccessLists.remedy(hasManager: manager != nil) }
        return
            "Write networks as 10.0.0.0/8 or 10.0.0.0/255.0.0.0, put named lists into \(placeOfLists), and look at"
            + " accounts.acl-order"
    }

    /// Where lists with names are.
    private var placeOfLists: String {
        guard query.isEmpty else {
            return "permit and deny of \(QueryTable.name), rule by rule"
        }
        guard freePBXFile == nil else { return "deny and permit of the extension" }
        return folder == nil ? "the table \(tables[.accessLists])" : "acl.conf"
    }

    /// The Asterisks that are asked themselves, or nil when the URL is no `ari://`.
    var asterisks: ARIServers? { ARIServers(url) }

    /// The database file's path, or nil when the URL is not `sqlite:///path`.
    var path: String? { path(of: "sqlite://") }

    /// The folder of Asterisk's files, or nil when the URL is not `asterisk:///folder`.
    var folder: String? {
        path(of: "asterisk://").map {
            $0.count > 1 && $0.hasSuffix("/") ? String($0.dropLast()) : $0
        }
    }

    /// The path behind a scheme, or nil when the URL is of another one.
    func path(of scheme: String) -> String? {
        url.hasPrefix(scheme + "/") ? String(url.dropFirst(scheme.count)) : nil
    }
}
