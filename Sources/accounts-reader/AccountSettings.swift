// What accounts-reader has of the settings.
internal import Messages
internal import Sys

/// Which source has the accounts, and how it is read.
struct AccountSettings: Equatable {
    /// `accounts.source`; empty when the settings name none.
    var url = ""
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

    /// The settings of a start set.
    init(_ settings: [AccountsReaderSetting] = []) {
        for setting in settings {
            switch setting {
            case .source(let url): self.url = url
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

    /// The database file's path, or nil when the URL is not `sqlite:///path`.
    var path: String? {
        let scheme = "sqlite://"
        guard url.hasPrefix(scheme + "/") else { return nil }
        return String(url.dropFirst(scheme.count))
    }

    /// The DSN, or nil when the URL is not `odbc://DSN`.
    var dataSource: String? {
        let scheme = "odbc://"
        return url.hasPrefix(scheme) ? String(url.dropFirst(scheme.count)) : nil
    }
}
