// What is to be known of the URL of `accounts.source` without opening it.
internal import Messages

extension Setting {
    /// The path of the file or folder that a URL of `accounts.source` names; nil when it names another source.
    static func path(ofSource url: String) -> String? {
        ["sqlite://", folderScheme, freePBXScheme].first { url.hasPrefix("\($0)/") }
            .map { String(url.dropFirst($0.count)) }
    }

    /// What the URL of FreePBX's file begins with.
    private static let freePBXScheme = "freepbx://"

    /// Whether it is `accounts.source`, and names FreePBX's file.
    var isFreePBX: Bool {
        guard case .source(let url)? = told.accountsReader else { return false }
        return url.hasPrefix(Self.freePBXScheme)
    }

    /// What the URL of a folder of Asterisk's files begins with.
    private static let folderScheme = "asterisk://"

    /// Whether it is `accounts.source`, and names a folder.
    var isFolder: Bool {
        guard case .source(let url)? = told.accountsReader else { return false }
        return url.hasPrefix(Self.folderScheme)
    }

    /// A URL of `accounts.source` as it may be shown: scheme, host and path.
    ///
    /// User and password are left out, and what follows the path, where some have them too. A password that is not
    /// escaped may have any character: where it is not certain which part it is in, the scheme alone is shown.
    static func shown(source url: String) -> String {
        if path(ofSource: url) != nil { return url }
        let scheme = url.prefix { $0 != ":" }
        let rest = url.dropFirst(scheme.count)
        guard rest.hasPrefix("://") else { return String(scheme) }
        let authority = rest.dropFirst(3).prefix { !"/?#;".contains($0) }
        guard !url[authority.endIndex...].contains("@") else { return String(scheme) }
        let host = authority.split(separator: "@", omittingEmptySubsequences: false).last ?? ""
        let path = url[authority.endIndex...].prefix { !"?#;".contains($0) }
        return "\(scheme)://\(host)\(path)"
    }
}
