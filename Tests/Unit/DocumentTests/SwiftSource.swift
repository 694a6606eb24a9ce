/// A comment, or a line of one.
struct Comment {
    /// The line it stands in, from 1 on.
    let line: Int
    /// What it says, its marks included.
    let text: String
}

/// What a document may name of a source.
struct Names {
    /// Types, functions, properties and cases, but nothing that is local to a function.
    var declared: Set<String> = []
    /// The same, with the type before them, and a point between.
    var members: Set<String> = []
    /// Every word of the code, comments and texts left out.
    var words: Set<String> = []
    /// The words of its texts.
    var textWords: Set<String> = []
    /// The comments, in order.
    var comments: [Comment] = []
    /// Whether every brace has its other one; if not, the rest says nothing.
    var isWhole = true
}

/// Reads the names of a Swift source without a compiler: its words, and which braces they stand in.
struct SwiftSource {
    private enum Scope: Equatable {
        case type(String)
        case other
    }

    private enum Token: Equatable {
        case word(String)
        case mark(UInt8)
        case text
    }

    private let bytes: [UInt8]
    private var at = 0
    private var line = 1
    private var tokens: [Token] = []
    private var names = Names()

    /// The names of a source.
    static func names(_ bytes: [UInt8]) -> Names {
        var source = SwiftSource(bytes)
        source.readCode(until: nil)
        source.declare()
        return source.names
    }

    private init(_ bytes: [UInt8]) { self.bytes = bytes }

    // MARK: Words, texts and comments

    private func peek(_ ahead: Int = 0) -> UInt8 {
        at + ahead < bytes.count ? bytes[at + ahead] : 0
    }

    private mutating func step() {
        if bytes[at] == UInt8(ascii: "\n") { line += 1 }
        at += 1
    }

    /// Reads up to the parenthesis that ends an interpolation, or to the end of the source.
    private mutating func readCode(until end: UInt8?) {
        var depth = 0
        while at < bytes.count {
            let byte = peek()
            if byte == UInt8(ascii: "/"), peek(1) == byte {
                readComment { source in source.peek() == UInt8(ascii: "\n") }
            } else if byte == UInt8(ascii: "/"), peek(1) == UInt8(ascii: "*") {
                readComment { source in
                    source.at >= 2 && source.bytes[source.at - 2] == UInt8(ascii: "*")
                        && source.bytes[source.at - 1] == UInt8(ascii: "/")
                }
            } else if byte == UInt8(ascii: "\"") || byte == UInt8(ascii: "#") && isRawText {
                readText()
            } else if byte.isWord {
                readWord()
            } else {
                if byte == UInt8(ascii: "(") { depth += 1 }
                if byte == UInt8(ascii: ")") { depth -= 1 }
                if !byte.isSpace, byte != UInt8(ascii: "`") { tokens.append(.mark(byte)) }
                step()
                if depth < 0, byte == end { return }
            }
        }
    }

    private var isRawText: Bool {
        var ahead = 0
        while peek(ahead) == UInt8(ascii: "#") { ahead += 1 }
        return peek(ahead) == UInt8(ascii: "\"")
    }

    private mutating func readComment(until isOver: (Self) -> Bool) {
        let (first, start) = (line, at)
        while at < bytes.count, !isOver(self) { step() }
        for (index, part) in bytes[start..<at].split(
            separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false
        ).enumerated() {
            let text = String(decoding: part, as: UTF8.self)
            names.comments.append(Comment(line: first + index, text: text))
        }
    }

    private mutating func readWord() {
        let start = at
        while peek().isWord { at += 1 }
        let word = String(decoding: bytes[start..<at], as: UTF8.self)
        names.words.insert(word)
        tokens.append(.word(word))
    }

    private mutating func readText() {
        var hashes = 0
        while peek() == UInt8(ascii: "#") { (hashes, at) = (hashes + 1, at + 1) }
        let quotes = peek(1) == UInt8(ascii: "\"") && peek(2) == UInt8(ascii: "\"") ? 3 : 1
        at += quotes
        tokens.append(.text)
        var word: [UInt8] = []
        while at < bytes.count {
            if isRun(of: UInt8(ascii: "\""), quotes, then: hashes) {
                at += quotes + hashes
                break
            }
            if isRun(of: UInt8(ascii: "\\"), 1, then: hashes) {
                at += 1 + hashes
                if peek() == UInt8(ascii: "(") {
                    at += 1
                    readCode(until: UInt8(ascii: ")"))
                    continue
                }
            } else if peek().isWord {
                word.append(peek())
                step()
                continue
            }
            note(&word)
            if at < bytes.count { step() }
        }
        note(&word)
    }

    private mutating func note(_ word: inout [UInt8]) {
        guard !word.isEmpty else { return }
        names.textWords.insert(String(decoding: word, as: UTF8.self))
        word.removeAll()
    }

    private func isRun(of byte: UInt8, _ count: Int, then hashes: Int) -> Bool {
        (0..<count).allSatisfy { peek($0) == byte }
            && (count..<count + hashes).allSatisfy { peek($0) == UInt8(ascii: "#") }
    }

    // MARK: Declarations

    private static let types: Set = ["struct", "class", "enum", "protocol", "actor", "extension"]

    private mutating func declare() {
        var scopes: [Scope] = []
        var opening: Scope?
        var index = 0
        while index < tokens.count {
            defer { index += 1 }
            switch tokens[index] {
            case .mark(UInt8(ascii: "{")):
                scopes.append(opening ?? .other)
                opening = nil
            case .mark(UInt8(ascii: "}")):
                if scopes.popLast() == nil { names.isWhole = false }
            case .word(let word) where Self.types.contains(word):
                guard let name = typeName(after: index) else { break }
                if word != "extension" { declare(name, in: scopes) }
                opening = .type(name)
            case .word("func"), .word("typealias"), .word("associatedtype"), .word("macro"):
                if let name = self.word(index + 1) { declare(name, in: scopes) }
            case .word("init"), .word("subscript"): declare("init", in: scopes)
            case .word("let"), .word("var"): declareList(from: index + 1, in: scopes)
            case .word("case"):
                if case .type = scopes.last { declareList(from: index + 1, in: scopes) }
            default: break
            }
        }
        if !scopes.isEmpty { names.isWhole = false }
    }

    private func word(_ index: Int) -> String? {
        guard index < tokens.count, case .word(let word) = tokens[index] else { return nil }
        return word
    }

    /// The last part of a type's name; nil where `class` or `protocol` begins no type.
    private func typeName(after index: Int) -> String? {
        guard var name = word(index + 1), name != "func", name != "var", name != "let" else {
            return nil
        }
        var next = index + 2
        while next < tokens.count, tokens[next] == .mark(UInt8(ascii: ".")),
            let part = word(next + 1)
        {
            (name, next) = (part, next + 2)
        }
        return name
    }

    /// Declares `a`, or all of `(a, b)` and of `a, b(c: D), e = f`.
    private mutating func declareList(from start: Int, in scopes: [Scope]) {
        var (index, depth) = (start, 0)
        if index < tokens.count, tokens[index] == .mark(UInt8(ascii: "(")) { index += 1 }
        while let name = word(index) {
            declare(name, in: scopes)
            index += 1
            while index < tokens.count, tokens[index] != .mark(UInt8(ascii: ",")) || depth > 0 {
                switch tokens[index] {
                case .mark(UInt8(ascii: "(")), .mark(UInt8(ascii: "[")): depth += 1
                case .mark(UInt8(ascii: ")")), .mark(UInt8(ascii: "]")):
                    depth -= 1
                    // The end of what stands in parentheses, or of the parameters around it.
                    if depth < 0 { return }
                case .word(let word) where Self.ends.contains(word): return
                case .mark(UInt8(ascii: "{")), .mark(UInt8(ascii: "}")): return
                default: break
                }
                index += 1
            }
            index += 1
        }
    }

    /// Words that no list of names goes on after.
    private static let ends: Set = [
        "case", "let", "var", "func", "package", "private", "fileprivate", "static", "init",
        "struct", "enum", "class", "extension", "import",
    ]

    private mutating func declare(_ name: String, in scopes: [Scope]) {
        switch scopes.last {
        case nil: names.declared.insert(name)
        case .type(let type):
            names.declared.insert(name)
            names.members.insert("\(type).\(name)")
        case .other: break
        }
    }
}

extension UInt8 {
    /// Whether it may stand in a name.
    var isWord: Bool {
        switch self {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "_"), 0x80...:
            true
        default: false
        }
    }

    /// Whether it is white space.
    var isSpace: Bool { self == UInt8(ascii: " ") || (9...13).contains(self) }
}
