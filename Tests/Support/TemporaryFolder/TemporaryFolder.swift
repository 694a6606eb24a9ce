internal import Foundation
package import Sys

/// A folder that is gone with its owner.
package final class TemporaryFolder {
    /// Where it is.
    package let path: String

    /// A folder in another one.
    package init(in parent: String = "/tmp") throws {
        path = "\(parent)/rempart-test-\(UUID().uuidString)"
        try FileManager.default.createDirectory(
            atPath: path, withIntermediateDirectories: false)
    }

    deinit { try? FileManager.default.removeItem(atPath: path) }

    /// The open folder.
    package var descriptor: Descriptor {
        // The path is a string of ours, which lives through the call.
        Descriptor(owning: unsafe open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC))
    }

    /// Writes a file of plain bytes.
    package func write(_ name: String, _ bytes: [UInt8]) throws {
        try Data(bytes).write(to: URL(fileURLWithPath: "\(path)/\(name)"))
    }

    /// The bytes of a file.
    package func read(_ name: String) throws -> [UInt8] {
        Array(try Data(contentsOf: URL(fileURLWithPath: "\(path)/\(name)")))
    }

    /// Whether a file is there.
    package func exists(_ name: String) -> Bool {
        FileManager.default.fileExists(atPath: "\(path)/\(name)")
    }
}
