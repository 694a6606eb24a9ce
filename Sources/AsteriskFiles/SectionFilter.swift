// Which section `[name](+filter)` goes on with.
internal import Glibc

/// The filter of `(+...)`: expressions NAME=VALUE of extended regular expressions, joined by `&`, of which each
/// must fit a variable; without any, every section that is no template.
struct SectionFilter {
    /// One expression.
    private enum Expression {
        /// TEMPLATES=include: templates too.
        case templatesToo
        /// TEMPLATES=restrict: templates alone.
        case templatesAlone
        /// A variable whose name and value fit.
        case variable(Pattern, Pattern)
    }

    /// The longest filter that is read, in bytes.
    private static let longest = 128

    private var expressions: [Expression] = []
    private var isEmpty = false
    /// Whether nothing can fit, as when an expression is none.
    private var isHopeless = false

    /// Reads a filter; refuses what could keep the regular expressions of libc busy for ever.
    init(_ text: ArraySlice<UInt8>, _ place: Place) throws(ConfigurationLoader.Stop) {
        isEmpty = text.isEmpty
        guard !isEmpty else { return }
        guard text.count <= Self.longest,
            !text.contains(where: { "{\\'\"".utf8.contains($0) })
        else {
            throw .refused(
                ConfigurationFault(
                    at: place,
                    "the filter of (+) is longer than \(Self.longest) bytes or has a brace, backslash or quote: write it without"
                ))
        }
        for part in text.split(separator: UInt8(ascii: "&"), omittingEmptySubsequences: false) {
            guard let expression = Self.expression(part) else {
                isHopeless = true
                return
            }
            expressions.append(expression)
        }
    }

    /// What one expression says; nil when it is none.
    private static func expression(_ text: ArraySlice<UInt8>) -> Expression? {
        let sides = text.split(
            separator: UInt8(ascii: "="), omittingEmptySubsequences: false
        ).map(\.stripped)
        guard sides.count > 1 else { return nil }
        guard sides[0].elementsEqual("TEMPLATES".utf8) else {
            guard let name = Pattern(sides[0]), let value = Pattern(sides[1]) else { return nil }
            return .variable(name, value)
        }
        if sides[1].isSpelled("include") { return .templatesToo }
        return sides[1].isSpelled("restrict") ? .templatesAlone : nil
    }

    /// How many bytes are looked at for a section at most, and 64 for each variable.
    func cost(_ section: Section) -> Int {
        expressions.count
            * section.variables.reduce(0) { $0 + $1.name.count + $1.value.count + 64 }
    }

    /// Whether a section fits.
    func matches(_ section: Section) -> Bool {
        if isEmpty { return !section.isTemplate }
        guard !isHopeless else { return false }
        var isAllowed = !section.isTemplate
        for expression in expressions {
            switch expression {
            case .templatesToo: isAllowed = true
            case .templatesAlone:
                guard section.isTemplate else { return false }
                isAllowed = true
            case .variable(let name, let value):
                let fits = section.variables.contains {
                    name.matches($0.name) && value.matches($0.value)
                }
                guard fits else { return false }
            }
        }
        return isAllowed
    }
}

/// An extended regular expression of libc, whose compiled form goes with it.
@safe
private final class Pattern {
    private var compiled = unsafe regex_t()
    private let isCompiled: Bool

    /// Compiles an expression without NUL; nil when it is none.
    init?(_ text: ArraySlice<UInt8>) {
        let text = text.map { CChar(bitPattern: $0) } + [0]
        // In bounds: a string that ends with its NUL.
        isCompiled = unsafe regcomp(&compiled, text, REG_EXTENDED | REG_NOSUB) == 0
        if !isCompiled { return nil }
    }

    deinit {
        // In bounds: the compiled form is there, and nobody else has it.
        if isCompiled { unsafe regfree(&compiled) }
    }

    /// Whether it fits somewhere in bytes without NUL.
    func matches(_ text: [UInt8]) -> Bool {
        let text = text.map { CChar(bitPattern: $0) } + [0]
        // In bounds: a string that ends with its NUL.
        return unsafe regexec(&compiled, text, 0, nil, 0) == 0
    }
}
