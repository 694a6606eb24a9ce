import Checkout
import Foundation

/// Everything that a document may name: the checkout's files, and what their sources declare.
struct Known {
    /// The paths of all files.
    let files: [String]
    /// The folders of all files, and so the targets' names too.
    let folders: Set<String>
    /// The names of each source, by its path.
    let sources: [String: Names]
    /// What is declared anywhere.
    let declared: Set<String>
    /// The same, with the type before them, and a point between.
    let members: Set<String>
    /// What follows `make`.
    let recipes: Set<String>
    /// Every word of code, of a text in code, and of what is no source: settings, units, records, recipes.
    let words: Set<String>

    /// What the names of files end with that are no sources, and have words that documents use.
    private static let texts: Set = [
        "yaml", "conf", "service", "socket", "catalog", "tsv", "cfg", "xml", "Makefile", "rules",
    ]

    /// Reads the checkout.
    static let checkout: Known = {
        do { return try Known() } catch { fatalError("the checkout cannot be read: \(error)") }
    }()

    /// The paths of files and folders, from any of their folders on.
    private let paths: Set<String>

    private init() throws {
        files = Checkout.files()
        folders = Set(
            files.flatMap { file in
                let parts = file.split(separator: "/").dropLast()
                return parts.indices.map { parts[...$0].joined(separator: "/") }
            })
        paths = folders.union(files).reduce(into: []) { paths, path in
            let parts = path.split(separator: "/")
            for start in parts.indices { paths.insert(parts[start...].joined(separator: "/")) }
        }
        recipes = Set(
            try Checkout.text(of: "Makefile").split(separator: "\n")
                .compactMap { $0.firstMatch(of: /^([\w-]+):/).map { String($0.1) } })
        var sources: [String: Names] = [:]
        var words: Set<String> = []
        for file in files {
            let kind = file.split { $0 == "." || $0 == "/" }.last.map(String.init) ?? ""
            switch kind {
            case "swift": sources[file] = SwiftSource.names(try Checkout.bytes(of: file))
            case "py", "c", "h", "sh":
                sources[file] = try ScriptSource.names(try Checkout.text(of: file), kind: kind)
            case _ where Self.texts.contains(kind):
                let names = try ScriptSource.names(try Checkout.text(of: file), kind: kind)
                words.formUnion(names.words)
            default: break
            }
        }
        self.sources = sources
        declared = sources.values.reduce(into: []) { $0.formUnion($1.declared) }
        members = sources.values.reduce(into: []) { $0.formUnion($1.members) }
        // These tests have names in their texts that are wrong by intent.
        let own = "Tests/Unit/DocumentTests/"
        self.words = sources.reduce(into: words) { words, source in
            words.formUnion(source.value.words)
            if !source.key.hasPrefix(own) { words.formUnion(source.value.textWords) }
        }
    }

    /// Whether a file or folder of the name is there; the folders before it may be left out.
    ///
    /// `*` stands for any letters, and so does a part in capitals, as NAME.
    func hasFile(_ name: String) -> Bool {
        if paths.contains(name) { return true }
        let parts = name.split(separator: "/")
        let isOpen = { (part: Substring) in
            part.allSatisfy { $0.isUppercase } || part.contains("*")
        }
        guard parts.contains(where: isOpen) else { return false }
        let pattern = parts.map { part in
            part.contains("*")
                ? NSRegularExpression.escapedPattern(for: String(part))
                    .replacingOccurrences(of: "\\*", with: "[^/]*")
                : isOpen(part) ? "[^/]+" : NSRegularExpression.escapedPattern(for: String(part))
        }
        let whole = "^" + pattern.joined(separator: "/") + "$"
        return paths.contains { $0.range(of: whole, options: .regularExpression) != nil }
    }

    /// The files that a name may stand for.
    func files(named name: String) -> [String] {
        files.filter { $0 == name || $0.hasSuffix("/\(name)") }
    }
}
