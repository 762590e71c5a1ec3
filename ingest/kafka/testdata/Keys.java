import java.nio.charset.StandardCharsets;
import java.util.Properties;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;

/** Sends a record for each key to a topic and prints the partition that it went to. */
public class Keys {
  public static void main(String[] args) throws Exception {
    Properties p = new Properties();
    p.put("bootstrap.servers", args[0]);
    p.put("key.serializer", "org.apache.kafka.common.serialization.ByteArraySerializer");
    p.put("value.serializer", "org.apache.kafka.common.serialization.ByteArraySerializer");
    try (KafkaProducer<byte[], byte[]> producer = new KafkaProducer<>(p)) {
      for (int i = 2; i < args.length; i++) {
        byte[] key = args[i].getBytes(StandardCharsets.UTF_8);
        System.out.println(producer.send(new ProducerRecord<>(args[1], key, new byte[] {'x'})).get().partition());
      }
    }
  }
}
