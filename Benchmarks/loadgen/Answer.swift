// The client's answer to a digest challenge (RFC 3261 section 22.4, MD5).

internal import CCrypto

private let hexadecimal = Array("0123456789abcdef".utf8)

/// The MD5 of a text in hexadecimal.
private func md5(_ text: String) -> String {
    let bytes = Array(text.utf8)
    var hash = [UInt8](repeating: 0, count: 16)
    // In bounds: MD5 fills 16 bytes.
    let done = unsafe EVP_Digest(bytes, bytes.count, &hash, nil, EVP_md5(), nil)
    precondition(done == 1, "libcrypto has no MD5")
    return String(
        decoding: hash.flatMap { [hexadecimal[Int($0 >> 4)], hexadecimal[Int($0 & 15)]] },
        as: UTF8.self)
}

/// The value of an Authorization header.
func credentials(
    user: String, secret: String, method: String, uri: String, _ challenge: Challenge
) -> String {
    let first = md5("\(user):\(challenge.realm):\(secret)")
    let second = md5("\(method):\(uri)")
    var text = "Digest username=\"\(user)\", realm=\"\(challenge.realm)\", "
    text += "nonce=\"\(challenge.nonce)\", uri=\"\(uri)\", algorithm=MD5, "
    if challenge.hasQop {
        let response = md5("\(first):\(challenge.nonce):00000001:0a4f113b:auth:\(second)")
        text += "response=\"\(response)\", qop=auth, nc=00000001, cnonce=\"0a4f113b\""
    } else {
        text += "response=\"\(md5("\(first):\(challenge.nonce):\(second)"))\""
    }
    if let opaque = challenge.opaque { text += ", opaque=\"\(opaque)\"" }
    return text
}
