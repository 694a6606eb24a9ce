internal import Foundation

/// The sources that a test was built from.
package enum Checkout {
    /// The folder that has Package.swift.
    package static let path: String = {
        var folder = URL(fileURLWithPath: #filePath)
        for _ in 0..<4 { folder.deleteLastPathComponent() }
        return folder.path
    }()

    /// The bytes of a file, by its path below the checkout.
    package static func bytes(of file: String) throws -> [UInt8] {
        Array(try Data(contentsOf: URL(fileURLWithPath: "\(path)/\(file)")))
    }

    /// The text of a file, by its path below the checkout.
    package static func text(of file: String) throws -> String {
        String(decoding: try bytes(of: file), as: UTF8.self)
    }

    /// The paths of all files below a folder of the checkout, in order; "" stands for the checkout itself.
    ///
    /// What is built, git's own and what a run leaves behind is none of it.
    package static func files(below folder: String = "") -> [String] {
        let start = folder.isEmpty ? path : "\(path)/\(folder)"
        guard let walk = FileManager.default.enumerator(atPath: start) else { return [] }
        var files: [String] = []
        for case let name as String in walk {
            let last = name.split(separator: "/").last ?? ""
            if skipped.contains(where: last.hasPrefix) {
                walk.skipDescendants()
            } else if walk.fileAttributes?[.type] as? FileAttributeType == .typeRegular {
                files.append(folder.isEmpty ? name : "\(folder)/\(name)")
            }
        }
        return files.sorted()
    }

    private static let skipped = [".build", ".git", ".cache", ".pytest_cache", "__pycache__"]
}
