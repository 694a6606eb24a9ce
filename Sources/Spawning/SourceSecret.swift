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

    private static func copy(of path: String) -> Descriptor? {
        let raw = unsafe open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK)
        guard raw >= 0 else { return nil }
        let file = Descriptor(owning: raw)
        var status = stat()
        // In bounds: one structure.
        guard unsafe fstat(file.raw, &status) == 0, status.st_mode & S_IFMT == S_IFREG,
            status.st_mode & (S_IRWXO | S_IWGRP) == 0
        else { return nil }
        // The file that was looked at, whatever stands at its path by now.
        return try? Descriptor.sealedCopy(
            of: "/proc/self/fd/\(file.raw)", limit: Bounds.longestSecretFile)
    }
}
