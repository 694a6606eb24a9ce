internal import Glibc
internal import Sys

/// A message of the corpus: a file below Tests/Corpus.
struct CorpusMessage: Sendable, CustomTestStringConvertible {
    /// "rfc4475/wsinv".
    let name: String
    let bytes: [UInt8]

    var testDescription: String { name }
}
