import Foundation

/// A name that stands for nothing.
struct Fault: Equatable, CustomStringConvertible {
    /// The document or source, by its path.
    let document: String
    /// The line, from 1 on.
    let line: Int
    /// The name as it is written there.
    let name: String
    /// What it should be the name of.
    let kind: String

    var description: String { "\(document):\(line): no \(kind) is called \(name)" }
}

/// Looks up what documents and comments name.
struct NameCheck {
    private let known: Known
    private let document: String
    /// What the source declares and uses whose comments are looked at; nil for a document.
    private let own: Names?
    private(set) var faults: [Fault] = []

    /// A check of one document, or of the comments of one source.
    init(_ document: String, own: Names? = nil, known: Known = .checkout) {
        self.known = known
        self.document = document
        self.own = own
    }

    // MARK: What is looked at

    /// Looks at a document in Markdown.
    mutating func read(document text: String) {
        var isRecipe = false
        for (index, line) in text.components(separatedBy: "\n").enumerated() {
            if line.hasPrefix("```") { isRecipe.toggle() }
            checkFiles(line, index + 1)
            // A block has no links, though Asterisk's `[general](+)` looks like one.
            guard !isRecipe else { continue }
            checkLinks(line, index + 1)
            checkSpans(line, index + 1)
        }
    }

    /// Looks at the comments of a source.
    mutating func readComments() {
        for comment in own?.comments ?? [] {
            checkFiles(comment.text, comment.line)
            checkSpans(comment.text, comment.line)
        }
    }

    /// Looks at the paths in a script, in whatever line.
    mutating func read(script text: String) {
        for (index, line) in text.components(separatedBy: "\n").enumerated() {
            checkPaths(line, index + 1)
        }
    }

    // MARK: Files

    private static let source = pattern(
        "[-\\w*+./$~{}<>]*[\\w*]\\.(?:swift|sh|py|c|h|tsv)(?![-\\w/]|\\.\\w)")
    private static let path = pattern(
        "(?<![-\\w/.$~}])(?:Sources|Tests|Benchmarks|Fuzz|scripts|docs|debian)/[-\\w*+./]*[\\w*]")
    private static let link = pattern("\\]\\(([^)#:\\s]+)(?:#[^)]*)?\\)")

    /// Where the system's own headers are.
    private static let system = ["linux/", "asm-generic/", "sys/"]

    private mutating func checkFiles(_ line: String, _ number: Int) {
        guard line.utf8.contains(UInt8(ascii: ".")) else { return checkPaths(line, number) }
        for name in line.matches(of: Self.source) where !name[0].contains(anyOf: "$~{}<>") {
            let isElsewhere = ["/", "."] + Self.system
            guard !isElsewhere.contains(where: name[0].hasPrefix) else { continue }
            look(known.hasFile(name[0]), name[0], "file", number)
        }
        checkPaths(line, number)
    }

    private mutating func checkPaths(_ line: String, _ number: Int) {
        guard line.utf8.contains(UInt8(ascii: "/")) else { return }
        for name in line.matches(of: Self.path) {
            look(known.hasFile(name[0]), name[0], "file or folder", number)
        }
    }

    private mutating func checkLinks(_ line: String, _ number: Int) {
        let folder = document.split(separator: "/").dropLast().map { "\($0)/" }.joined()
        for link in line.matches(of: Self.link) {
            let path = Self.resolved(folder + link[1])
            let isThere = known.files.contains(path) || known.folders.contains(path)
            look(isThere, link[1], "file", number)
        }
    }

    /// A path without parts that lead up again.
    private static func resolved(_ path: String) -> String {
        var parts: [Substring] = []
        for part in path.split(separator: "/") where part != "." {
            if part == "..", !parts.isEmpty { parts.removeLast() } else { parts.append(part) }
        }
        return parts.joined(separator: "/")
    }

    // MARK: Names in backticks

    private static let span = "`([A-Za-z_]\\w*(?:\\.[A-Za-z_]\\w*)*)(?:\\([\\w:]*\\))?`"
    private static let name = pattern(span)
    private static let place = pattern(span + " in `([-\\w+./]+\\.(?:swift|py|sh|c|h))`")
    private static let recipe = pattern("`make ([-\\w]+)")

    private static func pattern(_ text: String) -> NSRegularExpression {
        guard let pattern = try? NSRegularExpression(pattern: text) else {
            preconditionFailure("no pattern: \(text)")
        }
        return pattern
    }

    private mutating func checkSpans(_ line: String, _ number: Int) {
        guard line.utf8.contains(UInt8(ascii: "`")) else { return }
        for name in line.matches(of: Self.name) { check(name[1], number) }
        for place in line.matches(of: Self.place) {
            let sources = known.files(named: place[2]).compactMap { known.sources[$0] }
            let last = String(place[1].split(separator: ".").last ?? "")
            look(
                sources.contains { $0.declared.contains(last) }, place[1],
                "declaration in \(place[2])", number)
        }
        for recipe in line.matches(of: Self.recipe) {
            look(known.recipes.contains(recipe[1]), "make \(recipe[1])", "recipe", number)
        }
    }

    private mutating func check(_ name: String, _ number: Int) {
        let parts = name.split(separator: ".").map(String.init)
        guard let last = parts.last, let first = parts.first, !known.hasFile(name) else { return }
        if parts.count > 1 {
            // With a small letter before the point it is a setting, unless it has capitals inside.
            guard first.isType || parts.contains(where: \.hasHump) else { return }
            let isThere = zip(parts, parts.dropFirst()).allSatisfy(isMember)
            look(isThere || Self.foreign.contains(name), name, "declaration", number)
        } else {
            look(isKnown(last), name, "declaration", number)
        }
    }

    /// Whether a type has the member, or a value may have it.
    ///
    /// KEY and the like stand for any name.
    private func isMember(_ owner: String, _ name: String) -> Bool {
        if [owner, name].contains(where: { $0.count > 1 && $0.allSatisfy(\.isUppercase) }) {
            return true
        }
        return owner.isType
            ? known.members.contains("\(owner).\(name)") : isKnown(owner) && isKnown(name)
    }

    private func isKnown(_ word: String) -> Bool {
        if known.declared.contains(word) || own?.words.contains(word) == true { return true }
        if Self.foreign.contains(word) { return true }
        // A target is named by its folder; a word of capitals, or of C, by whatever uses it.
        if word.isType, !word.contains("_") {
            return known.hasFile("Sources/\(word)") || known.hasFile("Tests/Unit/\(word)")
        }
        return word.hasHump ? false : known.words.contains(word)
    }

    /// What Swift, Asterisk, Linux and Debian call so, and what is not there yet.
    static let foreign: Set = [
        "Dictionary", "InlineArray", "NET_BIND_SERVICE", "String", "UInt32.max", "UInt64.max",
        "ast_apply_ha", "ast_realtime_decode_chunk", "ast_strip", "ast_true",
        "config_text_file_load", "externip", "libssl3t64",
        "match_header", "media_address", "metrics", "oc", "public", "trace",
    ]

    private mutating func look(_ isThere: Bool, _ name: String, _ kind: String, _ number: Int) {
        let fault = Fault(document: document, line: number, name: name, kind: kind)
        if !isThere, !faults.contains(fault) { faults.append(fault) }
    }
}

extension String {
    /// The groups of each place where a pattern fits; 0 is all of it.
    fileprivate func matches(of pattern: NSRegularExpression) -> [[String]] {
        pattern.matches(in: self, range: NSRange(startIndex..., in: self)).map { match in
            (0..<match.numberOfRanges).map { group in
                Range(match.range(at: group), in: self).map { String(self[$0]) } ?? ""
            }
        }
    }

    fileprivate func contains(anyOf letters: String) -> Bool { contains(where: letters.contains) }

    /// Whether it is written as a type: a capital first, and a small letter.
    fileprivate var isType: Bool { first?.isUppercase == true && contains(where: \.isLowercase) }

    /// Whether a capital follows a small letter.
    fileprivate var hasHump: Bool {
        zip(self, dropFirst()).contains { $0.isLowercase && $1.isUppercase }
    }
}
