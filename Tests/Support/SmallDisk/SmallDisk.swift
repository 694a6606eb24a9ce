internal import Glibc
internal import Sys

/// A file system of its own in memory, small enough to be full, for tests that run as root.
package final class SmallDisk {
    /// Where it is mounted.
    package let path: String

    /// Mounts an empty one of so many KiB.
    package init(kilobytes: Int) throws {
        path = "/tmp/rempart-disk-\(String(Random.word, radix: 16))"
        guard unsafe mkdir(path, 0o755) == 0 else { throw SystemError("mkdir", code: errno) }
        guard unsafe mount("tmpfs", path, "tmpfs", 0, "size=\(kilobytes)k,mode=755") == 0 else {
            let code = errno
            _ = unsafe rmdir(path)
            throw SystemError("mount", code: code)
        }
    }

    deinit {
        _ = unsafe umount2(path, Int32(MNT_DETACH))
        _ = unsafe rmdir(path)
    }

    /// Whether this process may mount one.
    package static let isPossible = (try? SmallDisk(kilobytes: 16)) != nil

    /// Makes a folder on it; its path.
    package func folder(_ name: String) throws -> String {
        guard unsafe mkdir("\(path)/\(name)", 0o755) == 0 else {
            throw SystemError("mkdir", code: errno)
        }
        return "\(path)/\(name)"
    }

    /// Takes all the room that is left.
    package func fill() throws {
        let raw = unsafe open("\(path)/filling", O_WRONLY | O_CREAT | O_APPEND, 0o600)
        let file = Descriptor(owning: try SystemError.check(raw < 0 ? -errno : raw, "open filling"))
        let bytes = [UInt8](repeating: 0x58, count: 4096)
        // In bounds: the array's own storage and length.
        while unsafe write(file.raw, bytes, bytes.count) > 0 {}
        guard errno == ENOSPC else { throw SystemError("fill", code: errno) }
    }

    /// Gives back the room that was taken.
    package func free() { _ = unsafe unlink("\(path)/filling") }

    /// Permits writing, or forbids it.
    package func permitWriting(_ isPermitted: Bool) throws {
        let flags = UInt(MS_REMOUNT) | (isPermitted ? 0 : UInt(MS_RDONLY))
        // A process that another test starts has a copy of our descriptors until it is executed.
        for _ in 0..<1000 {
            if unsafe mount(nil, path, nil, flags, nil) == 0 { return }
            guard errno == EBUSY else { break }
            usleep(10_000)
        }
        throw SystemError("remount", code: errno)
    }
}
