internal import Messages

/// A man page, in the macros of man(7).
///
/// Texts are as in `--help`: what stands between backticks is set bold, an empty line ends a paragraph. Each sentence
/// begins a line, no line has more than 80 bytes, and all is ASCII.
struct Roff {
    /// The page so far.
    private(set) var text: String

    private static let width = 76

    /// A page of a name and section, with what it is in some words.
    init(_ name: String, section: Int, _ summary: String) {
        text =
            ".TH \(Self.escaped(name.uppercased())) \(section) \(productDate)"
            + " \"Rempart \(productVersion)\" Rempart\n.nh\n.ad l\n"
        heading("NAME")
        text += "\(Self.escaped(name)) \\- \(Self.escaped(summary))\n"
    }

    /// Begins a section.
    mutating func heading(_ title: String) { text += ".SH \(Self.quoted(title))\n" }

    /// Begins a part of a section.
    mutating func subheading(_ title: String) { text += ".SS \(Self.quoted(title))\n" }

    /// Adds paragraphs; the first needs no space above it at the head of a section.
    mutating func paragraphs(_ prose: String, isFirst: Bool = true) {
        var needsSpace = !isFirst
        for paragraph in Self.paragraphs(of: prose) {
            if needsSpace { text += ".PP\n" }
            needsSpace = true
            fill(paragraph)
        }
    }

    /// Adds a line of code, bold.
    mutating func code(_ line: String) { text += "\\fB" + Self.escaped(line) + "\\fR\n" }

    /// Adds a term with what it means, indented.
    mutating func item(_ term: String, _ meanings: [String]) {
        text += ".TP\n\\fB\(Self.escaped(term))\\fR\n"
        var isFirst = true
        for meaning in meanings.flatMap(Self.paragraphs) {
            // Goes on in the same paragraph, on a line of its own.
            if !isFirst { text += ".br\n" }
            isFirst = false
            fill(meaning)
        }
    }

    /// Adds lines as they are.
    mutating func example(_ lines: String) {
        text += ".PP\n.EX\n"
        for line in lines.split(separator: "\n", omittingEmptySubsequences: false) {
            text += line.isEmpty ? "\\&\n" : Self.protected(Self.escaped(line)) + "\n"
        }
        text += ".EE\n"
    }

    /// Adds where else to read, the end of a page.
    mutating func seeAlso(_ pages: [(name: String, section: Int)]) {
        heading("SEE ALSO")
        for (number, page) in pages.enumerated() {
            let comma = number + 1 == pages.count ? "" : " ,"
            text += ".BR \(Self.escaped(page.name)) (\(page.section))\(comma)\n"
        }
    }

    // MARK: Texts

    private static func paragraphs(of prose: String) -> [String] {
        var found: [String] = []
        var current: [Substring] = []
        let lines: [Substring] = prose.split(separator: "\n", omittingEmptySubsequences: false)
        for line in lines + [""] {
            if !line.isEmpty {
                current.append(line)
            } else if !current.isEmpty {
                found.append(current.joined(separator: " "))
                current = []
            }
        }
        return found
    }

    private mutating func fill(_ paragraph: String) {
        var line = ""
        var isBold = false
        for word in paragraph.split(separator: " ") {
            let set = Self.set(word, &isBold)
            if !line.isEmpty, line.utf8.count + 1 + set.utf8.count > Self.width {
                text += Self.protected(line) + "\n"
                line = ""
            }
            line += line.isEmpty ? set : " " + set
            // A new sentence begins a new line.
            if !isBold, word.last == "." || word.last == "?" {
                text += Self.protected(line) + "\n"
                line = ""
            }
        }
        if !line.isEmpty { text += Self.protected(line) + "\n" }
    }

    /// A word with its letters escaped; what stands between backticks is bold.
    private static func set(_ word: Substring, _ isBold: inout Bool) -> String {
        var set = ""
        for letter in word {
            if letter == "`" {
                isBold.toggle()
                set += isBold ? "\\fB" : "\\fR"
            } else {
                set += escaped("\(letter)")
            }
        }
        return set
    }

    private static func escaped(_ text: some StringProtocol) -> String {
        text.map { letter in
            switch letter {
            case "\\": "\\e"
            // A hyphen that can be copied to a command line.
            case "-": "\\-"
            case "'": "\\(aq"
            case "`": "\\(ga"
            case "^": "\\(ha"
            case "~": "\\(ti"
            case "\"": "\\(dq"
            default: "\(letter)"
            }
        }.joined()
    }

    private static func quoted(_ title: String) -> String { "\"\(escaped(title))\"" }

    /// A line that is none of roff's own.
    private static func protected(_ line: String) -> String {
        line.hasPrefix(".") ? "\\&" + line : line
    }
}
