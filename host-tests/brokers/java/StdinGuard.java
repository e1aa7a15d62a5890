// StdinGuard: runs programs that do not watch their standard input (ZooKeeper, Kafka 2.x) and halts at its end.
//
//   java ... StdinGuard CLASS ARGUMENT CLASS ARGUMENT ...
//
// Each class's main runs in a thread of its own.
public class StdinGuard {
    public static void main(String[] args) throws Exception {
        for (int i = 0; i < args.length; i += 2) {
            var main = Class.forName(args[i]).getMethod("main", String[].class);
            String[] arguments = { args[i + 1] };
            new Thread(() -> {
                try { main.invoke(null, (Object) arguments); } catch (Throwable e) { e.printStackTrace(); Runtime.getRuntime().halt(1); }
            }).start();
        }
        while (System.in.read() >= 0) { }
        Runtime.getRuntime().halt(0);
    }
}
