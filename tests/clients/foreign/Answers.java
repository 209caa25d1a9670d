// What the Java clients have in common: the arguments, and how an answer is printed.
// Arguments: the URL, the file with the body, then requests such as "GET /hello".
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;

final class Answers {
    interface Client {
        Answer ask(String method, String url, byte[] body) throws Exception;
    }

    record Answer(int status, boolean proved, String text) {}

    static void print(String[] arguments, Client client) throws Exception {
        // Tickets come from the user's cache, not from a login of the program's.
        System.setProperty("javax.security.auth.useSubjectCredsOnly", "false");
        System.setProperty("java.security.krb5.conf", System.getenv("KRB5_CONFIG"));
        byte[] body = Files.readAllBytes(Path.of(arguments[1]));
        for (String request : List.of(arguments).subList(2, arguments.length)) {
            String[] words = request.split(" ");
            Answer answer = client.ask(words[0], arguments[0] + words[1], words[0].equals("POST") ? body : null);
            System.out.println(answer.status + (answer.proved ? " proved " : " - ") + answer.text);
        }
    }
}
