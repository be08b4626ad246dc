/// The CRC32C of a whole message, mandatory on durable and remote ones.
///
/// It covers header, extension and payload, with what changes on the way taken as zero: hops,
/// ``MessageFlags/inTransit``, the topic id in the destination, and the checksum itself. So a
/// relay passes it on unchanged from the sender to the last reader.
public enum MessageChecksum {
  /// The checksum that the message should carry; throws when the extension is malformed.
  public static func compute(
    header: HeaderWords, extension items: RawSpan, payload: RawSpan
  ) throws(WireError) -> UInt32 {
    var crc = CRC32C()
    var stable = header
    stable.word1 &= 0xFFFF_00FF_FFFF_FFFF
    stable.word7 &= ~UInt64(MessageFlags.inTransit.rawValue)
    if stable.word5 == 0 { stable.word6 = 0 }
    let bytes = [UInt8](capacity: 64) { out in out.append(words: stable) }
    bytes.withRawSpan { crc.update($0) }
    if let own = try ExtensionReader.first(.crc32c, in: items) {
      crc.update(items.extracting(0..<own.valueOffset))
      [0, 0, 0, 0].withRawSpan { crc.update($0) }
      crc.update(items.extracting(own.valueOffset + 4..<items.byteCount))
    } else {
      crc.update(items)
    }
    crc.update(payload)
    return crc.value
  }

  /// Throws `checksum` when it is another than the message's bytes have, `checksumMissing` when
  /// there is none.
  public static func verify(
    header: HeaderWords, extension items: RawSpan, payload: RawSpan
  ) throws(WireError) {
    guard let item = try ExtensionReader.first(.crc32c, in: items) else { throw .checksumMissing }
    let stated = try item.crc32c()
    let computed = try compute(header: header, extension: items, payload: payload)
    guard stated == computed else { throw .checksum(stated: stated, computed: computed) }
  }
}
