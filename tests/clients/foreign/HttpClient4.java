// Apache HttpClient 4; with the property `expect`, it waits for `100 Continue` before it sends a body.
import org.apache.http.auth.AuthSchemeProvider;
import org.apache.http.auth.AuthScope;
import org.apache.http.auth.Credentials;
import org.apache.http.client.config.AuthSchemes;
import org.apache.http.client.config.RequestConfig;
import org.apache.http.client.methods.CloseableHttpResponse;
import org.apache.http.client.methods.RequestBuilder;
import org.apache.http.config.RegistryBuilder;
import org.apache.http.entity.ByteArrayEntity;
import org.apache.http.entity.ContentType;
import org.apache.http.impl.auth.SPNegoSchemeFactory;
import org.apache.http.impl.client.BasicCredentialsProvider;
import org.apache.http.impl.client.CloseableHttpClient;
import org.apache.http.impl.client.HttpClients;
import org.apache.http.util.EntityUtils;

final class HttpClient4 {
    public static void main(String[] arguments) throws Exception {
        var nobody = new BasicCredentialsProvider(); // JGSS looks for the ticket itself
        nobody.setCredentials(AuthScope.ANY, new Credentials() {
            public java.security.Principal getUserPrincipal() {
                return null;
            }

            public String getPassword() {
                return null;
            }
        });
        var schemes = RegistryBuilder.<AuthSchemeProvider>create()
                .register(AuthSchemes.SPNEGO, new SPNegoSchemeFactory(true))
                .build();
        try (CloseableHttpClient client = HttpClients.custom()
                .setDefaultAuthSchemeRegistry(schemes)
                .setDefaultCredentialsProvider(nobody)
                .setDefaultRequestConfig(RequestConfig.custom()
                        .setExpectContinueEnabled(Boolean.getBoolean("expect"))
                        .setSocketTimeout(30_000)
                        .build())
                .build()) {
            Answers.print(arguments, (method, url, body) -> {
                var request = RequestBuilder.create(method).setUri(url);
                if (body != null) {
                    request.setEntity(new ByteArrayEntity(body, ContentType.TEXT_PLAIN));
                }
                try (CloseableHttpResponse answer = client.execute(request.build())) {
                    String text = EntityUtils.toString(answer.getEntity());
                    return new Answers.Answer(answer.getStatusLine().getStatusCode(), false, text);
                }
            });
        }
    }
}
