internal import AsteriskFiles
internal import MemoryFiles
internal import Sys

/// Asterisk's configuration files.
extension Properties {
    private static let names = [
        "pjsip.conf", "i.conf", "sip.conf", "pjsip_wizard.conf", "users.conf", "extconfig.conf",
        "sorcery.conf", "acl.conf", "res_odbc.conf", "asterisk.conf",
    ]
    /// What stands between two files.
    private static let separator: UInt8 = 0x1E

    /// What is read of a file, written anew, is read as the same; and the whole folder is either a fault at a
    /// line or says the same of each endpoint and peer however it is asked.
    package static func asterisk(_ bytes: Span<UInt8>) -> String? {
        let texts = [UInt8](copying: bytes).split(
            separator: separator, omittingEmptySubsequences: false)
        let files = zip(names, texts).map { ("/ast/\($0)", Array($1)) }
        let memory = MemoryFiles(Dictionary(uniqueKeysWithValues: files))
        var limits = ConfigurationLimits()
        limits.files = 500
        limits.variables = 20_000
        limits.steps = 2_000_000
        let folder = AsteriskFolder("/ast", files: memory, limits: limits)
        for name in ["pjsip.conf", "sip.conf"] {
            if let fault = rewritten(name, folder) { return fault }
        }
        do {
            return contradiction(try AsteriskConfiguration(folder))
        } catch {
            return error.place.line > 0 && !error.sentence.isEmpty ? nil : "a fault without a place"
        }
    }

    private static func contradiction(_ read: AsteriskConfiguration) -> String? {
        for endpoint in read.pjsip.endpoints where read.pjsip.endpoint(endpoint.id) != endpoint {
            return "an endpoint is not found by its id"
        }
        for peer in read.chanSip.peers where read.chanSip.peer(peer.name) != peer {
            return "a peer is not found by its name"
        }
        guard read.findings.count <= ConfigurationLimits().findings else {
            return "too many findings"
        }
        return read.findings.allSatisfy { $0.place.line > 0 } ? nil : "a finding without a line"
    }

    private static func rewritten(_ name: String, _ folder: AsteriskFolder) -> String? {
        var folder = folder
        guard let read = try? folder.configuration(name) else { return nil }
        guard let text = text(of: read.sections) else { return nil }
        var again = AsteriskFolder("/ast", files: MemoryFiles(["/ast/again": text]))
        guard let second = try? again.configuration("again") else { return "cannot be read again" }
        let isSame = read.sections.elementsEqual(second.sections) { one, other in
            one.name == other.name && one.isTemplate == other.isTemplate
                && one.variables.elementsEqual(other.variables) {
                    $0.name == $1.name && $0.value == $1.value
                }
        }
        return isSame && again.findings.isEmpty ? nil : "\(name) is read as another one again"
    }

    /// The sections as a text; nil when a line would be too long.
    private static func text(of sections: [Section]) -> [UInt8]? {
        var text: [UInt8] = []
        func escaped(_ bytes: [UInt8]) -> [UInt8] {
            bytes.flatMap { $0 == UInt8(ascii: ";") ? Array("\\;".utf8) : [$0] }
        }
        for section in sections {
            text += Array("[".utf8) + escaped(section.name)
            text += Array(section.isTemplate ? "](!)\n".utf8 : "]\n".utf8)
            for variable in section.variables {
                let isSpecial = variable.name.first.map { "[#\\=".utf8.contains($0) } ?? false
                let line =
                    (isSpecial ? Array("\\".utf8) : []) + escaped(variable.name)
                    + Array(" = ".utf8) + escaped(variable.value) + Array("\n".utf8)
                guard line.count < 8_000 else { return nil }
                text += line
            }
        }
        return text
    }
}
