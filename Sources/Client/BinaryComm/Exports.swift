// `import BinaryComm` alone is enough: of the modules below it these are what its calls take and
// give, and nothing else of them is seen through it.
@_exported public import struct BusCounters.AgentCounters
@_exported public import enum BusCounters.DropReason
@_exported public import enum BusLog.ReadMode
@_exported public import struct BusWire.BlobReference
@_exported public import enum BusWire.BusErrorCause
@_exported public import enum BusWire.BusErrorCode
@_exported public import struct BusWire.BusUUID
@_exported public import enum BusWire.Lane
@_exported public import struct BusWire.MessageFlags
@_exported public import struct BusWire.MessageHeader
@_exported public import enum BusWire.Priority
@_exported public import struct BusWire.StreamID
@_exported public import struct BusWire.TraceContext
