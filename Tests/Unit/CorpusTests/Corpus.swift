internal import Glibc
internal import Sys
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
    /// The package's folder.
    private static let root = #filePath.split(separator: "/").dropLast(4).reduce("") {
        $0 + "/" + $1
    }

    /// The bytes of a file below the package's folder.
    static func read(_ path: String) -> [UInt8] {
        // The path is a string of ours, which lives through the call.
        let file = Descriptor(owning: unsafe open("\(root)/\(path)", O_RDONLY | O_CLOEXEC))
        var bytes: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 65_536)
        while case .moved(let count) = Stream.read(file.raw, into: &buffer, at: 0), count > 0 {
            bytes += buffer[..<count]
        }
        return bytes
    }

    /// The names of the files in a folder below the package's, sorted.
    static func list(_ path: String) -> [String] {
        // The entries belong to the open folder, and their names are copied before the next is read.
        guard let folder = unsafe opendir("\(root)/\(path)") else {
            preconditionFailure("no folder \(path)")
        }
        defer { unsafe closedir(folder) }
        var names: [String] = []
        while let entry = unsafe readdir(folder) {
            let name = unsafe withUnsafePointer(to: &entry.pointee.d_name) { pointer in
                unsafe pointer.withMemoryRebound(to: CChar.self, capacity: 256) {
                    unsafe String(cString: $0)
                }
            }
            if !name.hasPrefix(".") { names.append(name) }
        }
        return names.sorted()
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
