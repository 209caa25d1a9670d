// HttpURLConnection, which signs in by itself where the user has a ticket.
import java.io.OutputStream;
import java.net.HttpURLConnection;
import java.net.URL;

final class UrlConnection {
    public static void main(String[] arguments) throws Exception {
        Answers.print(arguments, UrlConnection::ask);
    }

    private static Answers.Answer ask(String method, String url, byte[] body) throws Exception {
        HttpURLConnection connection = (HttpURLConnection) new URL(url).openConnection();
        connection.setRequestMethod(method);
        if (body != null) {
            connection.setRequestProperty("Content-Type", "text/plain");
            connection.setDoOutput(true);
            try (OutputStream out = connection.getOutputStream()) {
                out.write(body);
            }
        }
        int status = connection.getResponseCode();
        var stream = status < 400 ? connection.getInputStream() : connection.getErrorStream();
        return new Answers.Answer(status, false, new String(stream.readAllBytes()));
    }
}
