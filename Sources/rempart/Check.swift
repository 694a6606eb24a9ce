internal import ArgumentParser
internal import Glibc
internal import Messages
internal import Settings
internal import Sys

/// `rempart check`: everything that is wrong with a settings file.
struct Check: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Check a settings file and show every fault.")

    @Option(help: "The settings file.")
    var settings = Standard.settings

    func run() throws {
        let bytes: [UInt8]
        do throws(SystemError) {
            bytes = try readFile(settings, limit: SettingsFile.maximumLength)
        } catch {
            throw failure(error.description)
        }
        let file = SettingsFile(bytes)
        let absent = file.isGood ? Self.absentFiles(file) : []
        for diagnostic in file.diagnostics + absent {
            complain(file.rendered(diagnostic, file: settings))
        }
        guard file.isGood else {
            let count = file.diagnostics.count { $0.severity == .error }
            throw failure("\(settings): \(count == 1 ? "1 error" : "\(count) errors")")
        }
        print("\(settings.terminalSafe): good: \(file.summary)")
    }

    /// Warnings about files that are named and, as far as can be seen from here, not there.
    ///
    /// Not errors: the file may be checked on another machine, or by someone who may not look there.
    static func absentFiles(_ file: SettingsFile) -> [Diagnostic] {
        file.values.compactMap { value in
            let path: String
            switch value.setting {
            case .certificate(let file), .key(let file): path = file
            case .database(let url): path = String(url.dropFirst("sqlite://".count))
            default: return nil
            }
            guard unsafe access(path, F_OK) != 0, errno == ENOENT else { return nil }
            return Diagnostic(.warning, at: value.position, "`\(value.path)`: there is no \(path)")
        }
    }
}
