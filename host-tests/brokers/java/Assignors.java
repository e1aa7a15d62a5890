import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Random;
import java.util.TreeMap;
import org.apache.kafka.clients.consumer.ConsumerPartitionAssignor.Subscription;
import org.apache.kafka.clients.consumer.RangeAssignor;
import org.apache.kafka.clients.consumer.RoundRobinAssignor;
import org.apache.kafka.clients.consumer.internals.AbstractPartitionAssignor;
import org.apache.kafka.common.TopicPartition;

/**
 * What Java's range and round robin assignors answer to 500 groups, a line each:
 * topics with their partitions, - for one that does not exist; members, with /instance, and the topics that they want, by
 * number; for each assignor the owners of each topic's partitions, as letters, - for nobody.
 */
public class Assignors {
    static final String[] NAMES = {"a", "a-1", "a-10", "a-2", "a.b", "a_b", "B", "b", "zones", "Zones", "0", "sensors.raw"};

    public static void main(String[] arguments) {
        Random random = new Random(4);
        for (int group = 0; group < 500; group++) print(random, group);
    }

    static void print(Random random, int group) {
        List<String> topics = new ArrayList<>(Arrays.asList(NAMES));
        Collections.shuffle(topics, random);
        topics = topics.subList(0, 1 + random.nextInt(4));
        Map<String, Integer> partitions = new TreeMap<>();
        for (String topic : topics) if (random.nextInt(10) > 0) partitions.put(topic, 1 + random.nextInt(group % 10 == 0 ? 40 : 9));

        int members = 1 + random.nextInt(7);
        boolean equal = random.nextInt(3) == 0;
        Map<String, Subscription> subscriptions = new TreeMap<>();
        List<String> ids = new ArrayList<>(), told = new ArrayList<>();
        for (int member = 0; member < members; member++) {
            String id = Integer.toString(100 + random.nextInt(10000), 36) + (char) ('a' + member);
            String instance = random.nextInt(3) == 0 ? Integer.toString(random.nextInt(1000), 36) + (char) ('A' + member) : null;
            List<String> wanted = new ArrayList<>();
            StringBuilder numbers = new StringBuilder();
            for (int topic = 0; topic < topics.size(); topic++) {
                if (!equal && random.nextInt(3) == 0) continue;
                wanted.add(topics.get(topic));
                numbers.append(topic);
            }
            Subscription subscription = new Subscription(wanted);
            subscription.setGroupInstanceId(Optional.ofNullable(instance));
            subscriptions.put(id, subscription);
            ids.add(id);
            told.add(id + (instance == null ? "" : "/" + instance) + ":" + numbers);
        }

        List<String> counts = new ArrayList<>();
        for (String topic : topics) counts.add(topic + ":" + (partitions.containsKey(topic) ? partitions.get(topic) : "-"));
        String range = owners(new RangeAssignor(), topics, partitions, subscriptions, ids);
        String roundRobin = owners(new RoundRobinAssignor(), topics, partitions, subscriptions, ids);
        System.out.println(String.join(",", counts) + " " + String.join(",", told) + " " + range + " " + roundRobin);
    }

    static String owners(AbstractPartitionAssignor assignor, List<String> topics, Map<String, Integer> partitions,
                         Map<String, Subscription> subscriptions, List<String> ids) {
        Map<String, List<TopicPartition>> answer = assignor.assign(partitions, subscriptions);
        List<String> all = new ArrayList<>();
        for (String topic : topics) {
            char[] owners = new char[partitions.getOrDefault(topic, 0)];
            Arrays.fill(owners, '-');
            answer.forEach((id, share) -> {
                for (TopicPartition partition : share) {
                    if (!partition.topic().equals(topic)) continue;
                    if (owners[partition.partition()] != '-') throw new AssertionError("two owners");
                    owners[partition.partition()] = (char) ('A' + ids.indexOf(id));
                }
            });
            all.add(new String(owners));
        }
        return String.join(",", all);
    }
}
