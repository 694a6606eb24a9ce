internal import Messages
internal import Settings
internal import Sys
internal import Wire

/// What processes tell each other, and the settings text.
extension Properties {
    /// A frame of any link is refused, or is written again byte for byte; the first byte says which link.
    package static func frame(_ bytes: Span<UInt8>) -> String? {
        guard bytes.count > 0 else { return nil }
        let frame = bytes.extracting(1..<bytes.count)
        let again: [UInt8]?
        switch bytes[0] % 11 {
        case 0: again = (try? RouterToDirectory(decoding: frame))?.encoded()
        case 1: again = (try? DirectoryToRouter(decoding: frame))?.encoded()
        case 2: again = (try? RouterToBanner(decoding: frame))?.encoded()
        case 3: again = (try? BannerToRouter(decoding: frame))?.encoded()
        case 4: again = (try? ControlRequest(decoding: frame))?.encoded()
        case 5: again = (try? ControlReply(decoding: frame))?.encoded()
        case 6: again = (try? Setting(decoding: frame))?.encoded()
        case 7: again = (try? ChildMessage(decoding: frame))?.encoded()
        case 8: again = supervised(frame, passed: nil)
        // A descriptor that is none: a frame may carry one without anything being opened.
        case 9: again = supervised(frame, passed: Descriptor(owning: -1))
        default: again = plaintext(frame)
        }
        guard let again else { return nil }
        return again == [UInt8](copying: frame) ? nil : "link \(bytes[0] % 11): written otherwise"
    }

    private static func supervised(_ frame: Span<UInt8>, passed: Descriptor?) -> [UInt8]? {
        (try? SupervisorMessage(decoding: frame, passed: passed))?.encoded().frame
    }

    private static func plaintext(_ frame: Span<UInt8>) -> [UInt8]? {
        guard let head = try? PlaintextHeader(decoding: frame) else { return nil }
        var again = [UInt8](repeating: 0, count: PlaintextHeader.length)
        head.write(into: &again)
        let payload = frame.extracting(PlaintextHeader.length..<frame.count)
        switch head.kind {
        case .opened:
            guard let opened = try? OpenedPayload(decoding: payload) else { return nil }
            return again + opened.encoded()
        case .handshakeFailed:
            guard let failed = try? HandshakeFailedPayload(decoding: payload) else { return nil }
            return again + failed.encoded()
        default: return again + [UInt8](copying: payload)
        }
    }

    /// A settings text is good, and then every setting crosses to the supervisor as it is; or it has an
    /// error that can be shown on a terminal.
    package static func settings(_ bytes: Span<UInt8>) -> String? {
        let file = SettingsFile([UInt8](copying: bytes))
        for setting in file.settings {
            let frame = setting.encoded()
            guard (try? Setting(decoding: frame.span)) == setting else {
                return "\(setting) does not cross"
            }
        }
        for diagnostic in file.diagnostics {
            let shown = file.rendered(diagnostic, file: "rempart.yaml")
            for scalar in shown.unicodeScalars where scalar.value < 0x20 && scalar != "\n" {
                return "a diagnostic shows the control character \(scalar.value)"
            }
        }
        return file.isGood == !file.settings.isEmpty ? nil : "good without settings, or wrong with them"
    }
}
