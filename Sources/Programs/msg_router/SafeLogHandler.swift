import BusText
import Logging

/// Log lines on standard error, without anything that a terminal would obey and each on one line:
/// much of what the router says it was told by agents.
struct SafeLogHandler: LogHandler {
  private var inner: StreamLogHandler

  init(label: String) { inner = StreamLogHandler(label: label, stream: LogOutput.standardError) }

  func log(event: LogEvent) {
    var event = event
    event.message = "\(SafeText.printable(event.message.description))"
    event.metadata = event.metadata.map(Self.printable)
    inner.log(event: event)
  }

  subscript(metadataKey key: String) -> Logger.Metadata.Value? {
    get { inner[metadataKey: key] }
    set { inner[metadataKey: key] = newValue.map(Self.printable) }
  }

  var metadata: Logger.Metadata {
    get { inner.metadata }
    set { inner.metadata = Self.printable(newValue) }
  }

  var metadataProvider: Logger.MetadataProvider? {
    get { inner.metadataProvider }
    set { inner.metadataProvider = newValue }
  }

  var logLevel: Logger.Level {
    get { inner.logLevel }
    set { inner.logLevel = newValue }
  }

  private static func printable(_ metadata: Logger.Metadata) -> Logger.Metadata {
    metadata.mapValues(printable)
  }

  private static func printable(_ value: Logger.Metadata.Value) -> Logger.Metadata.Value {
    .string(SafeText.printable(value.description))
  }
}
