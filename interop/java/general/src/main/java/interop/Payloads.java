package interop;

import io.netty.buffer.ByteBuf;
import io.netty.buffer.Unpooled;
import io.rsocket.Payload;
import io.rsocket.util.DefaultPayload;
import java.util.Arrays;

/** Payloads by their lengths, and what they have. */
final class Payloads {
  /** So many bytes that differ from place to place; no metadata where {@code metadata} is negative. */
  static Payload of(int data, int metadata) {
    return metadata < 0 ? DefaultPayload.create(pattern(data)) : DefaultPayload.create(pattern(data), pattern(metadata));
  }

  static Payload text(String data) {
    return DefaultPayload.create(data);
  }

  static boolean isReject(Payload payload) {
    return payload.data().readableBytes() == 6 && payload.getDataUtf8().equals("reject");
  }

  /** The beginning of what a buffer has. */
  static String beginning(ByteBuf bytes) {
    return bytes.slice(bytes.readerIndex(), Math.min(100, bytes.readableBytes())).toString(java.nio.charset.StandardCharsets.UTF_8);
  }

  static void check(Payload found, Payload wanted) {
    boolean same =
        found.hasMetadata() == wanted.hasMetadata()
            && Arrays.equals(bytes(found.data()), bytes(wanted.data()))
            && Arrays.equals(bytes(found.metadata()), bytes(wanted.metadata()));
    if (!same) {
      throw new AssertionError("it is " + sizes(found) + ", not " + sizes(wanted));
    }
  }

  private static String sizes(Payload payload) {
    return "a payload of " + payload.data().readableBytes() + " bytes, metadata "
        + (payload.hasMetadata() ? payload.metadata().readableBytes() : "none");
  }

  private static byte[] bytes(ByteBuf buffer) {
    byte[] bytes = new byte[buffer.readableBytes()];
    Unpooled.wrappedBuffer(buffer.nioBuffer()).readBytes(bytes);
    return bytes;
  }

  private static byte[] pattern(int length) {
    byte[] bytes = new byte[length];
    for (int at = 0; at < length; at++) {
      bytes[at] = (byte) (at % 251);
    }
    return bytes;
  }

  private Payloads() {}
}
