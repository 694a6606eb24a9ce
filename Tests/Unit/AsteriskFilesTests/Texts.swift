import AsteriskFiles
import MemoryFiles

/// A folder with files of these texts.
func folder(
    _ files: [String: String], limits: ConfigurationLimits = ConfigurationLimits()
) -> AsteriskFolder {
    folder(bytes: files.mapValues { Array($0.utf8) }, limits: limits)
}

/// A folder with files of these bytes.
func folder(
    bytes files: [String: [UInt8]], limits: ConfigurationLimits = ConfigurationLimits()
) -> AsteriskFolder {
    let paths = files.map { ("/ast/\($0.key)", $0.value) }
    let memory = MemoryFiles(Dictionary(uniqueKeysWithValues: paths))
    return AsteriskFolder("/ast", files: memory, limits: limits)
}

/// What the folder says about accounts.
func configuration(_ files: [String: String]) throws -> AsteriskConfiguration {
    try AsteriskConfiguration(folder(files))
}

/// The sections as "[a] x=1 | y=2", a template with an exclamation mark; bytes that are no UTF-8 as U+FFFD.
func written(_ file: Configuration?) -> [String] {
    (file?.sections ?? []).map { section in
        let lines = section.variables.map { text($0.name) + "=" + text($0.value) }
        let mark = section.isTemplate ? "!" : ""
        return "[\(text(section.name))]\(mark) " + lines.joined(separator: " | ")
    }
}

/// What one file's text says, beside others that it may include.
func sections(_ text: String, _ others: [String: String] = [:]) throws -> [String] {
    var folder = folder(others.merging(["m.conf": text]) { $1 })
    return written(try folder.configuration("m.conf"))
}

/// The fault of a text; nil when it has none.
func fault(_ text: String, _ others: [String: String] = [:]) -> String? {
    do {
        _ = try sections(text, others)
        return nil
    } catch { return "\(error)" }
}

/// Bytes as text.
func text(_ bytes: [UInt8]) -> String { String(decoding: bytes, as: UTF8.self) }

/// Text as bytes.
func bytes(_ text: String) -> [UInt8] { Array(text.utf8) }
