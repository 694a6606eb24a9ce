internal import Checkout
internal import Testing

/// A file of the corpora.
struct CorpusFile: Sendable, CustomTestStringConvertible {
    /// "rfc4475/wsinv": its folder and name.
    let name: String
    /// What it holds.
    let bytes: [UInt8]

    var testDescription: String { name }
}

/// The files that the tests run on.
enum Corpus {
    /// The bytes of a file below the checkout.
    static func read(_ path: String) -> [UInt8] {
        do { return try Checkout.bytes(of: path) } catch {
            preconditionFailure("\(path): \(error)")
        }
    }

    /// The names of the files in a folder below the checkout, sorted.
    static func list(_ path: String) -> [String] {
        Checkout.files(below: path).map { String($0.dropFirst(path.utf8.count + 1)) }
    }

    /// The message of a name such as "rfc4475/wsinv".
    static func message(_ name: String) -> CorpusFile {
        CorpusFile(name: name, bytes: read("Tests/Corpus/\(name).dat"))
    }

    /// Every message.
    static let messages: [CorpusFile] = ["rfc4475", "rfc5118", "variants"].flatMap { folder in
        list("Tests/Corpus/\(folder)").filter { $0.hasSuffix(".dat") }
            .map { message("\(folder)/\($0.dropLast(4))") }
    }

    /// The rows of a table below Tests/Corpus: what stands between tabs, without the heading.
    static func table(_ name: String) -> [[String]] {
        String(decoding: read("Tests/Corpus/\(name)"), as: UTF8.self)
            .split(separator: "\n").dropFirst()
            .map { $0.split(separator: "\t", omittingEmptySubsequences: false).map(String.init) }
    }
}
