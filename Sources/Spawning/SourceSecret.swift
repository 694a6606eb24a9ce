internal import Glibc
package import Messages
internal import Sys

/// The password to the source of the accounts, which root opens for accounts-reader.
package enum SourceSecret {
    /// The message that hands the file of `accounts.secret-file` over, as it is now.
    ///
    /// There is none without that setting, or when the file cannot be copied or others may read or write it. Then
    /// accounts-reader says so.
    package static func messages(_ settings: [Setting]) -> [SupervisorMessage] {
        for setting in settings {
            guard case .secretFile(let path)? = setting.told.accountsReader else { continue }
            return copy(of: path).map { [.file(.secret, $0)] } ?? []
        }
        return []
    }

    /// What keeps accounts-reader from using such a file, and what to do; nil when nothing does, or when the caller cannot
    /// open it.
    package static func fault(of path: String) -> String? {
        guard let file = open(path) else { return nil }
        if let fault = fault(of: file, path) { return fault }
        var bytes = [UInt8](repeating: 0, count: Bounds.longestSecretFile + 1)
        // In bounds: the array's own storage and length.
        let count = unsafe pread(file.raw, &bytes, bytes.count, 0)
        if count > Bounds.longestSecretFile {
            return
                "\(path) has more than \(Bounds.longestSecretFile) bytes: write the password alone"
        }
        let isEmpty = count <= 0 || bytes[0] == UInt8(ascii: "\n") || bytes[0] == UInt8(ascii: "\r")
        return isEmpty ? "the first line of \(path) is empty: write the password there" : nil
    }

    private static func fault(of file: borrowing Descriptor, _ path: String) -> String? {
        var status = stat()
        // In bounds: one structure.
        guard unsafe fstat(file.raw, &status) == 0, status.st_mode & S_IFMT == S_IFREG else {
            return "\(path) is no regular file: name one whose first line is the password"
        }
        guard status.st_mode & (S_IRWXO | S_IWGRP) == 0 else {
            return "others may read or write \(path): type 'chmod 600 \(path)'"
        }
        return nil
    }

    private static func open(_ path: String) -> Descriptor? {
        let raw = unsafe Glibc.open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK)
        return raw >= 0 ? Descriptor(owning: raw) : nil
    }

    private static func copy(of path: String) -> Descriptor? {
        guard let file = open(path), fault(of: file, path) == nil else { return nil }
        // The file that was looked at, whatever stands at its path by now.
        return try? Descriptor.sealedCopy(
            of: "/proc/self/fd/\(file.raw)", limit: Bounds.longestSecretFile)
    }
}
